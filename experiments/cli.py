"""The command line: ``aicfg solve``, ``aicfg estimate``, ``aicfg support``, ``aicfg tables``.

Standard output carries the result alone; progress, warnings and errors go to standard error. Exit codes:
0 a plan for every experiment, 2 bad input, 3 proven infeasible, 4 stopped without a plan, 1 a defect in aicfg
(with its traceback).
"""

import atexit
import gc
import os
import sys
from collections.abc import Sequence

from aicfg.experiments.commands.grammar import run as run_own
from aicfg.experiments.peer.commands.dispatch import HELP as PEER_COMMANDS
from aicfg.experiments.peer.commands.dispatch import run as run_peer
from aicfg.experiments.peer.commands.dispatch import words
from aicfg.model_specs.errors import AicfgError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
        return code
    except SystemExit as end:  # argparse: help, version, a word it does not know
        return end.code if isinstance(end.code, int) else 0
    except BrokenPipeError:
        return _reader_gone()
    except KeyboardInterrupt:
        print("aicfg: interrupted", file=sys.stderr)
        return 4
    except AicfgError as error:
        return _explained(error)


def _run(arguments: Sequence[str] | None) -> int:
    os.environ.setdefault(
        "OPENBLAS_NUM_THREADS", "1"
    )  # small arrays: starting threads costs more than it saves
    gc.set_threshold(500_000)  # modules and tables live to the end: looking through them finds nothing
    atexit.register(gc.freeze)  # nor is there anything to look for when the process ends
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    given = words(sys.argv[1:] if arguments is None else arguments)
    if (code := run_peer(given)) is not None:
        return code
    return run_own(given, PEER_COMMANDS)


def _reader_gone() -> int:
    """The reader of a pipe left (``| head``): not an error, and nothing more can be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _explained(error: AicfgError) -> int:
    from aicfg.solver.errors import EngineImpreciseError, EnginesDisagree

    if isinstance(error, EngineImpreciseError | EnginesDisagree):
        raise error
    for line in str(error).splitlines():
        print(f"aicfg: error: {line}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
