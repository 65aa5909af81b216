"""How near the predictions are to measured serving runs, out of fold, with the scorer's own rules.

    python tests/bench/accuracy.py MEASURED.csv --scorer score_accuracy.py [--out DIR]

Four predictions of every row: by the shipped default profile, and out of fold (by profiles fitted to the
rest) with the cases, the model families and the GPU systems as folds. Each goes to DIR/<fold>.csv and through
the scorer: errors, the three rankings of layouts, decisions under TPOT limits (with the margin that pays most
there). Then the coverage of the 80 % and 90 % intervals by regime, made of residuals of other cases, models
or systems, and what the errors are without each term.
"""

import argparse
import csv
import importlib.util
import sys
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import msgspec
import numpy as np
from numpy.typing import NDArray

from aicfg.experiments.calibration.calibrate import LEVELS, folds
from aicfg.experiments.calibration.decisions import best_margin
from aicfg.experiments.calibration.error_bars import Compared, error_bars
from aicfg.experiments.calibration.fit import fit, out_of_fold
from aicfg.experiments.calibration.samples import Samples, cases, read_samples, throughput
from aicfg.hardware.intervals import METRICS, Intervals, Metric, Regime
from aicfg.hardware.profile import Profile, load_profile
from aicfg.hardware.runs import Latency

SHARES = (0.8, 0.9)


def main() -> None:
    """Score the measured file under every kind of fold."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measured")
    parser.add_argument("--scorer", type=Path, help="score_accuracy.py; without it only coverage is printed")
    parser.add_argument("--out", type=Path, default=Path("accuracy"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    default, prior = load_profile("aicfg"), load_profile("physical")
    samples = read_samples(options.measured, prior)
    families = {line["row_id"]: line["model_family"] for line in read_lines(options.measured)}
    schemes: dict[str, Callable[[Samples], list[str]]] = {
        "case": folds,
        "model": lambda each: [families[row.row_id] for row in each.rows],
        "system": lambda each: [row.system for row in each.rows],
    }
    predictions = {"default": [each.predicted(default) for each in samples]}
    margins = {"default": default.tpot_margin}
    for name, fold_of in schemes.items():
        predictions[name] = [out_of_fold(prior, each, fold_of(each), samples) for each in samples]
        margins[name] = best_margin(list(zip(samples, predictions[name], strict=True)))
    scorer = load_scorer(options.scorer) if options.scorer else None
    for name, found in predictions.items():
        path = options.out / f"{name}.csv"
        write(path, samples, found, margins[name])
        print(f"\n######## {name}: margin {margins[name]:g}, {path}")
        if scorer:
            scorer.main([str(path), options.measured])
    for name, key_of in {**schemes, "case": cases}.items():
        print_coverage(name, samples, predictions[name], key_of)
    print_ablation(prior, samples)
    print_switches(prior, options.measured)


def read_lines(path: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def load_scorer(path: Path) -> ModuleType:
    """The scoring script as a module."""
    spec = importlib.util.spec_from_file_location("score_accuracy", path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules["score_accuracy"] = module
    spec.loader.exec_module(module)
    return module


def write(path: Path, samples: Sequence[Samples], found: Sequence[Latency], margin: float) -> None:
    """Predictions in the scorer's format."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("row_id", "ttft_ms", "tpot_ms", "tokens_per_s_per_gpu", "tpot_ms_safe"))
        for each, latency in zip(samples, found, strict=True):
            columns = (latency.ttft_ms, latency.tpot_ms, throughput(each, latency), latency.tpot_ms * margin)
            for row, *values in zip(each.rows, *columns, strict=True):
                lines.writerow((row.row_id, *(f"{value:.6g}" for value in values)))


def print_coverage(
    name: str,
    samples: Sequence[Samples],
    found: Sequence[Latency],
    key_of: Callable[[Samples], Sequence[Any]],
) -> None:
    """The share of measured figures inside intervals that know nothing of what is left out, by regime."""
    every = [Compared.of(*each) for each in zip(samples, found, strict=True)]
    keys = [np.array([str(key) for key in key_of(each)]) for each in samples]
    hits = [inside(every, keys, number) for number in range(len(every))]
    print(f"\nintervals, {name}s left out: share inside, in %")
    for metric, share in product(METRICS, SHARES):
        by_regime = {}
        for own, each in zip(every, hits, strict=True):
            for estimated in sorted(set(own.estimated.tolist())):
                regime = f"{own.mode} {own.backend}{' estimated' if estimated else ''}"
                by_regime[regime] = each[metric, share][own.estimated == estimated]
        line = ", ".join(f"{regime} {100 * each.mean():.1f}" for regime, each in by_regime.items())
        whole = 100 * np.concatenate(list(by_regime.values())).mean()
        print(f"  {metric:12} {100 * share:.0f}: {whole:5.1f}  ({line})")


def inside(
    every: Sequence[Compared], keys: Sequence[NDArray[np.str_]], number: int
) -> dict[tuple[Metric, float], NDArray[np.bool_]]:
    """Of one engine and mode, which rows lie in intervals made without any row of their key."""
    own = every[number]
    hits = {figure: np.zeros(len(own.cases), bool) for figure in product(METRICS, SHARES)}
    for key in sorted(set(keys[number])):
        left = [each.at(names != key) for each, names in zip(every, keys, strict=True)]
        others = [each for at, each in enumerate(left) if each.mode == own.mode and at != number]
        bars = {own.backend: error_bars(left[number], others, LEVELS)}
        known = Intervals(LEVELS, bars, bars)
        for estimated in sorted(set(own.estimated.tolist())):
            rows = (keys[number] == key) & (own.estimated == estimated)
            regime = Regime(own.mode, own.backend, estimated)
            for metric, share in hits:
                low, high = np.log(known.interval(regime, metric, share))
                logs = own.logs[metric][rows]
                hits[metric, share][rows] = (low <= logs) & (logs <= high)
    return hits


def errors(samples: Sequence[Samples], fitted: Profile, mode: str) -> str:
    """Mean and median errors in % of a mode's rows, TPOT and TTFT, in sample."""
    kept = [each for each in samples if each.mode == mode]
    found = [each.predicted(fitted) for each in kept]
    cells = []
    for figure in ("tpot_ms", "ttft_ms"):
        ratio = np.concatenate(
            [getattr(p, figure) / getattr(s, figure) for s, p in zip(kept, found, strict=True)]
        )
        error = 100 * np.abs(ratio - 1)
        cells.append(f"{error.mean():5.1f} / {np.median(error):4.1f}")
    return f"TPOT {cells[0]}   TTFT {cells[1]}"


def print_ablation(prior: Profile, samples: Sequence[Samples]) -> None:
    """Errors of aggregated rows with each term taken out of the law, the others fitted again."""
    print("\nablation, aggregated rows, in sample: mean / median error in %")
    for name, path, value in (
        ("all terms", "", 0.0),
        ("ranks that wait for each other", "host.{backend}.us_per_meeting", 0.0),
        ("host time of irregular layers", "host.{backend}.us_per_irregular_layer", 0.0),
        ("host time by request", "host.{backend}.us_per_request", 0.0),
        ("requests of unlike lengths", "host.{backend}.us_per_request_and_layer", 0.0),
        ("interference of prompts", "aggregated.{backend}.interference", 0.0),
        ("slower experts of older engines", "aggregated.{backend}.older.slowdown", 1.0),
        ("constant of a first token", "aggregated.{backend}.first_token_ms", 0.0),
        ("steps until the first token", "aggregated.{backend}.first_token_steps", 0.0),
        ("answers made in other processes", "aggregated.{backend}.apart", 1.0),
        ("prompts beyond their kernels", "aggregated.{backend}.prompt", 1.0),
        ("balance among attention ranks", "aggregated.{backend}.balance", 0.0),
        ("queue", "aggregated.{backend}.queue", 0.0),
        ("opening burst", "aggregated.{backend}.burst", 0.0),
    ):
        paths = [path.format(backend=backend) for backend in prior.aggregated] if path else []
        fitted = fit(changed(prior, dict.fromkeys(paths, value)), samples, (path,))
        print(f"  {'without ' * bool(path) + name:40} {errors(samples, fitted, 'agg')}")


def print_switches(prior: Profile, measured: str) -> None:
    """Errors of both modes with one piece of knowledge taken away, all coefficients fitted again."""
    print("\nwhat is known beside the law, in sample: mean / median error in %, aggregated, disaggregated")
    alone = {"operations.products_above_engines": None}
    kept = {"operations.implausible_rows": "kept"}
    for name, changes in (
        ("everything", {}),
        ("implausible rows kept", kept),
        ("quantised products of own tables alone", alone),
        ("both", kept | alone),
        ("experts from other shapes", {"operations.experts_not_measured": "other_shapes"}),
        ("all-to-all of replicated tokens on vLLM", {"graph.alltoall_of_replicated": True}),
        ("DeepEP before the rack's own links", {"graph.deepep_before_rack": True}),
        ("experts in all layers of DeepSeek", {"graph.experts_in_every_layer": True}),
        ("lengths at their nominal values", {"benchmark.length_share": 1.0}),
        ("no opening burst", {"benchmark.waves": 1e9}),
    ):
        print_known(name, changed(prior, changes), measured)
    with mock.patch("aicfg.experiments.predictions.batch_rows.recipe_of", return_value=None):
        print_known("launches by the engines' defaults", prior, measured)


def print_known(name: str, prior: Profile, measured: str) -> None:
    """One line of what is known."""
    samples = read_samples(measured, prior)
    fitted = fit(prior, samples)
    print(f"  {name:40} {errors(samples, fitted, 'agg')}   {errors(samples, fitted, 'disagg')}", flush=True)


def changed(profile: Profile, changes: dict[str, object]) -> Profile:
    """A profile with some values replaced, each named by its path."""
    facts = msgspec.to_builtins(profile)
    for path, value in changes.items():
        *inner, last = path.split(".")
        node = facts
        for key in inner:
            node = node[key]
        node[last] = value
    return msgspec.convert(facts, Profile)


if __name__ == "__main__":
    main()
