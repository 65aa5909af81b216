"""The grammar of our own commands; what each of them does is imported when it is asked for."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from aicfg import __version__

EXAMPLES = """\
examples:
  aicfg solve examples/qwen3-32b-h100-vllm.yaml
  aicfg solve experiment.yaml --json > plan.json
  aicfg solve a.yaml b.yaml --save-dir results
  aicfg solve experiment.yaml --set fleet.gpus=48 --set sla.tpot_ms=20
  aicfg estimate --model Qwen/Qwen3-32B --system h100_sxm --role decode --tp 8 --batch 50

exit codes: 0 solved, 2 bad input, 3 proven infeasible, 4 stopped without a plan, 1 a defect"""
_NONE: Mapping[str, str] = {}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with the nearest match, and where help is."""

    def error(self, message: str) -> "None":  # type: ignore[override]
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


def run(words: Sequence[str], others: Mapping[str, str] = _NONE) -> int:
    """Run one of our own commands; its exit code. ``others`` are told of in the help, and what each does."""
    options = parser(words[0] if words else None, others).parse_args(words)
    return int(options.run(options))


def parser(asked: str | None = None, others: Mapping[str, str] = _NONE) -> argparse.ArgumentParser:
    """The grammar of all commands; of just the one that is ``asked`` for, if it is one of them."""
    about = "The provably best way to serve a large language model on given GPUs."
    top = _Parser(
        prog="aicfg", description=about, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"aicfg {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    own = {
        "solve": _add_solve,
        "estimate": _add_estimate,
        "support": _add_support,
        "tables": _add_tables,
        "deploy": _add_deploy,
        "whatif": _add_whatif,
        "price": _add_price,
        "simulate": _add_simulate,
        "calibrate": _add_calibrate,
    }
    for add in (own[asked],) if asked in own else own.values():
        add(commands)
    for name, text in others.items():
        commands.add_parser(name, help=text)
    return top


def _add_solve(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.commands.solve import add_solve_arguments

    solve = commands.add_parser(
        "solve",
        usage="aicfg solve FILE... [options]",
        help="find the best plan of each experiment, with its proof",
        description="Find the provably best plan of each experiment in the files.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_solve_arguments(solve)


def _add_estimate(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.commands.estimate import DEGREES, ROLES, run_estimate
    from aicfg.experiments.commands.settings import add_settings

    estimate = commands.add_parser(
        "estimate",
        usage="aicfg estimate [FILE] --role ROLE [options]\n"
        "       aicfg estimate --plan FILE | --batch-file CSV --out CSV",
        help="what one given configuration does, operation by operation",
        description="What one configuration does, with its time by operation. Of a disagg pair each"
        " number is PREFILL/DECODE, such as --tp 4/8, or one for both.",
    )
    estimate.set_defaults(run=run_estimate)
    estimate.add_argument("file", nargs="?", metavar="FILE", help="experiment in YAML; flags override it")
    estimate.add_argument("--plan", metavar="FILE", help="the pools of a plan.json in place of the rest")
    for name, what in (
        ("model", "model"),
        ("system", "GPU system"),
        ("backend", "serving engine"),
        ("profile", "coefficients"),
    ):
        estimate.add_argument(f"--{name}", metavar="NAME", help=what)
    estimate.add_argument("--isl", type=int, metavar="N", help="prompt tokens (default 4000)")
    estimate.add_argument("--osl", type=int, metavar="N", help="output tokens (default 1000)")
    _add_data_mode(estimate, None)
    estimate.add_argument("--role", choices=tuple(ROLES), help="what the workers do; disagg: a pair")
    for name in DEGREES:
        estimate.add_argument(f"--{name.replace('_', '-')}", metavar="N", help="default 1")
    estimate.add_argument("--batch", metavar="N", help="requests of an attention rank (default 1)")
    estimate.add_argument(
        "--chunk", metavar="N", help="prompt tokens a step of agg workers (default: the isl)"
    )
    estimate.add_argument("--workers", metavar="N", help="how many of them (default 1)")
    estimate.add_argument("--batch-file", metavar="CSV", help="a table of configurations (docs/accuracy.md)")
    estimate.add_argument("--out", metavar="CSV", help="where the predictions of a --batch-file go")
    add_settings(estimate)
    estimate.add_argument("--json", action="store_true", help="print JSON and nothing else")
    estimate.add_argument("--no-color", action="store_true", help="plain text")


def _add_support(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.ask.schema import DEFAULT_PROFILE
    from aicfg.experiments.commands.settings import add_systems_paths
    from aicfg.experiments.commands.support import run_support

    support = commands.add_parser(
        "support",
        help="which models can be solved where, and why not",
        description="Which models can be solved on which systems with which engines, and why not.",
    )
    support.set_defaults(run=run_support)
    support.add_argument("--model", metavar="NAME", help="only this model (default: the catalogue)")
    support.add_argument("--system", metavar="NAME", help="only this GPU system")
    support.add_argument("--backend", metavar="NAME", help="only this serving engine")
    support.add_argument("--profile", metavar="NAME", default=DEFAULT_PROFILE, help="coefficients")
    _add_data_mode(support, "silicon")
    add_systems_paths(support)
    support.add_argument("--json", action="store_true", help="print JSON and nothing else")


def _add_data_mode(command: argparse.ArgumentParser, default: str | None) -> None:
    command.add_argument(
        "--data-mode",
        choices=("silicon", "hybrid", "empirical", "sol"),
        type=str.lower,
        default=default,
        help="measured figures only (silicon), or estimates too",
    )


def _add_tables(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.commands.tables import add_tables_arguments

    add_tables_arguments(commands.add_parser("tables", help="import, list or examine silicon tables"))


def _add_deploy(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.commands.deploy import add_deploy_arguments

    about = "Write the files that start a plan's deployment, or check such files (aicfg deploy check DIR)."
    add_deploy_arguments(commands.add_parser("deploy", help="deployment files of a plan", description=about))


def _add_calibrate(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.commands.calibrate import add_calibrate_arguments

    about = "Fit a profile's coefficients to measured runs: robust, cross-validated, with error bars."
    add_calibrate_arguments(commands.add_parser("calibrate", help="fit a profile", description=about))


def _add_whatif(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.commands.whatif import add_whatif_arguments

    whatif = commands.add_parser(
        "whatif",
        usage="aicfg whatif FILE [--relax NAME=VALUE]... [--set KEY=VALUE]... [--sweep KEY=VALUES]...",
        help="the best plan beside those of variants, or over a sweep of keys",
        description="The best plan as things are, with each change alone, and with all of them. With --sweep:"
        " the best plan at each value of a key (of each pair of values of two), the changes applied first.",
    )
    add_whatif_arguments(whatif)


def _add_simulate(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.commands.simulate import add_simulate_arguments

    about = "Simulate a plan's deployment step by step: percentiles of TTFT and TPOT under load."
    add_simulate_arguments(commands.add_parser("simulate", help="a plan under load", description=about))


def _add_price(commands: "argparse._SubParsersAction[_Parser]") -> None:
    from aicfg.experiments.commands.price import add_price_arguments

    price = commands.add_parser(
        "price",
        help="what each bound and each GPU costs at the optimum",
        description="For each bound and the GPUs: where the optimum next changes on either side, and by how"
        " much.",
    )
    add_price_arguments(price)
