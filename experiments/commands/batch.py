"""``aicfg estimate --batch-file``: predictions for a table of configurations."""

import sys
from argparse import Namespace
from collections import Counter

from aicfg.experiments.ask.schema import DEFAULT_PROFILE
from aicfg.experiments.progress import progress
from aicfg.model_specs.errors import InputError

EXCLUDES = ("file", "plan", "role", "batch", "chunk", "workers", "model", "system", "backend", "isl", "osl")


def run_batch(options: Namespace) -> int:
    """Predict the rows of a file; what was not covered, and why, goes to standard error."""
    from aicfg.experiments.predictions.batch import predict
    from aicfg.experiments.predictions.batch_rows import read_rows
    from aicfg.experiments.predictions.prediction import write_predictions
    from aicfg.hardware.profile import load_profile

    given = [name for name in EXCLUDES if getattr(options, name) is not None]
    if given:
        raise InputError(
            f"--batch-file {options.batch_file}: its rows say it all; leave out {', '.join(given)}"
        )
    if options.out is None:
        raise InputError("--out: missing; expected the CSV file to write the predictions to")
    rows = read_rows(options.batch_file)
    with progress("pricing rows") as advance:
        predictions = predict(rows, load_profile(options.profile or DEFAULT_PROFILE), advance)
    write_predictions(options.out, predictions)
    reasons = Counter(each.reason for each in predictions if each.tpot_ms is None)
    print(f"{len(rows) - reasons.total()} of {len(rows)} rows predicted: {options.out}", file=sys.stderr)
    for reason, count in reasons.most_common():
        print(f"  {count} not: {reason}", file=sys.stderr)
    return 0
