"""The command line: ``aicfg solve``, ``aicfg tables``.

Standard output carries the result alone; progress, warnings and errors go to standard error. Exit codes:
0 a plan for every experiment, 2 bad input, 3 proven infeasible, 4 stopped without a plan, 1 a defect in aicfg
(with its traceback).
"""

import argparse
import gc
import os
import sys
from collections.abc import Sequence

from aicfg import __version__
from aicfg.model_specs.errors import AicfgError

EXAMPLES = """\
examples:
  aicfg solve examples/qwen3-32b-h100-vllm.yaml
  aicfg solve experiment.yaml --json > plan.json
  aicfg solve a.yaml b.yaml --save-dir results
  aicfg solve experiment.yaml --set fleet.gpus=48 --set sla.tpot_ms=20
  aicfg tables list --system h100_sxm --backend vllm

exit codes: 0 solved, 2 bad input, 3 proven infeasible, 4 stopped without a plan, 1 a defect"""


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
    gc.set_threshold(
        50_000
    )  # imports make many objects that live to the end; looking through them takes a while
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    code: int = options.run(options)
    return code


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


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with the nearest match, and where help is."""

    def error(self, message: str) -> "None":  # type: ignore[override]
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    about = "The provably best way to serve a large language model on given GPUs."
    parser = _Parser(
        prog="aicfg", description=about, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"aicfg {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_solve(commands)
    _add_tables(commands)
    return parser


def _add_solve(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.command_solve import run_solve

    solve = commands.add_parser(
        "solve",
        help="find the best plan of each experiment, with its proof",
        description="Find the provably best plan of each experiment in the files.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    solve.set_defaults(run=run_solve)
    solve.add_argument("files", nargs="+", metavar="FILE", help="experiment in YAML (docs/experiment.md)")
    engines = ("highs", "cpsat", "pyomo", "both")
    solve.add_argument(
        "--engine", choices=engines, default="highs", help="default highs; both: checked by CP-SAT"
    )
    solve.add_argument("--time-limit", type=_seconds, metavar="S", help="stop an engine after S seconds")
    solve.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="override a key of the file",
    )
    solve.add_argument("--json", action="store_true", help="print the plan as JSON and nothing else")
    solve.add_argument(
        "--save-dir", metavar="DIR", help="write plan.json, experiment.yaml and report.txt to DIR"
    )
    solve.add_argument("--export", metavar="FILE", help="also write the program as .lp or .mps")
    solve.add_argument("--no-color", action="store_true", help="plain text")


def _add_tables(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.command_tables import run_tables_import, run_tables_list

    tables = commands.add_parser("tables", help="import or list silicon tables")
    actions = tables.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = actions.add_parser("list", help="what is there, with rows and ranges")
    listing.set_defaults(run=run_tables_list)
    importing = actions.add_parser("import", help="import a systems folder of aiconfigurator-core 0.12")
    importing.set_defaults(run=run_tables_import)
    importing.add_argument("source", metavar="SOURCE", help="an installed or unpacked systems folder")
    importing.add_argument("--out", metavar="DIR", help="where to write (default: the tables of this aicfg)")
    for command in (listing, importing):
        command.add_argument("--system", help="only this GPU system")
        command.add_argument("--backend", help="only this serving engine")
    listing.add_argument("--json", action="store_true", help="print JSON and nothing else")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected seconds above 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
