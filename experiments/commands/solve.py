"""``aicfg solve``: files in, plans out."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aicfg.experiments.commands.settings import add_settings, settings_of
from aicfg.experiments.plans.plan import Plan, json_text
from aicfg.experiments.progress import progress
from aicfg.model_specs.errors import InputError

INTERRUPTED = 4
MOST_ALTERNATIVES = 100

if TYPE_CHECKING:
    from aicfg.experiments.ask.options import Frontier, Options
    from aicfg.experiments.capacity.case import CapacityCase
    from aicfg.experiments.solving.prepare import Case


def add_solve_arguments(solve: ArgumentParser) -> None:
    """The options of ``aicfg solve``."""
    solve.set_defaults(run=run_solve)
    solve.add_argument("files", nargs="+", metavar="FILE", help="experiment in YAML (docs/experiment.md)")
    engines = ("highs", "cpsat", "pyomo", "both")
    solve.add_argument(
        "--engine", choices=engines, default="highs", help="default highs; both: checked by CP-SAT"
    )
    solve.add_argument("--time-limit", type=_seconds, metavar="S", help="stop an engine after S seconds")
    add_settings(solve)
    _add_around(solve)
    solve.add_argument("--json", action="store_true", help="print the plan as JSON and nothing else")
    solve.add_argument(
        "--save-dir", metavar="DIR", help="write plan, experiment, report and deployment files to DIR"
    )
    solve.add_argument("--export", metavar="FILE", help="also write the program as .lp or .mps")
    solve.add_argument("--no-color", action="store_true", help="plain text")


def _add_around(solve: ArgumentParser) -> None:
    """What to find around the best plan."""
    solve.add_argument(
        "--alternatives",
        type=_count,
        default=0,
        metavar="N",
        help="also the N best plans of other worker types",
    )
    solve.add_argument(
        "--frontier",
        action="store_true",
        help="also the most tokens/s at every TPOT, past its bound",
    )
    solve.add_argument("--frontier-ttft", action="store_true", help="the same over TPOT and TTFT")
    solve.add_argument(
        "--weight",
        action="append",
        type=_weight,
        default=[],
        metavar="KEY=N",
        help="infeasible: changing this bound is N times as dear",
    )
    solve.add_argument("--csv", metavar="FILE", help="also write the frontier, or the day, as CSV")
    solve.add_argument("--png", metavar="FILE", help="also draw the frontier, or the day")
    solve.add_argument("--current", metavar="PLAN", help="the plan.json that runs today (docs/replanning.md)")
    solve.add_argument(
        "--change-cost",
        type=_change_cost,
        metavar="N",
        help="what each worker added or removed costs, in the objective's unit; or never",
    )


def _change_cost(text: str) -> float | str:
    if text == "never":
        return text
    try:
        cost = float(text)
    except ValueError:
        cost = -1.0
    if not 0 <= cost < 1e12:
        raise ArgumentTypeError(f"got {text!r}; expected a number from 0, or never")
    return cost


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_ALTERNATIVES:
        raise ArgumentTypeError(f"got {text!r}; expected a whole number from 1 to {MOST_ALTERNATIVES}")
    return int(text)


def _weight(text: str) -> tuple[str, float]:
    key, _, given = text.partition("=")
    try:
        weight = float(given)
    except ValueError:
        weight = 0.0
    if not 1e-6 <= weight <= 1e6:
        raise ArgumentTypeError(f"got {text!r}; expected KEY=N, such as sla.ttft_ms=4, with N above 0")
    return key, weight


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise ArgumentTypeError(f"got {text!r}; expected seconds above 0")
    return seconds


def run_solve(options: Namespace) -> int:
    """``aicfg solve``: solve, print, save; the exit code."""
    from aicfg.experiments.api import is_over_time
    from aicfg.experiments.ask.options import Options

    folder = None if options.save_dir is None else Path(options.save_dir)
    if folder is not None:
        from aicfg.experiments.reports.results import check_folder

        check_folder(folder)
    jobs = _jobs(options.files, [*settings_of(options), *_replan(options)])
    frontier = _frontier(options, any(is_over_time(job.case) for job in jobs))
    if len(jobs) > 1:
        _refuse_one_file(options, len(jobs))
    if options.export is not None:
        _export(jobs, Path(options.export))
    asked = Options(
        options.engine,
        options.time_limit,
        alternatives=options.alternatives,
        frontier=frontier,
        weights=dict(options.weight),
    )
    plans = list(_solved(jobs, asked))
    if options.csv or options.png:
        _write_files(plans, options)
    if options.json:
        print(json_text(plans[0] if len(jobs) == 1 else plans, indent=2))
    else:
        _print(plans, color=not options.no_color)
    if folder is not None:
        from aicfg.experiments.reports.results import save

        save(plans, folder)
    _warn(plans)
    return _exit_code(plans) if len(plans) == len(jobs) else INTERRUPTED


def _replan(options: Namespace) -> list[str]:
    """The plan that runs today, as settings of the experiment."""
    given = (("current", options.current), ("change_cost", options.change_cost))
    return [f"replan.{key}={json.dumps(value)}" for key, value in given if value is not None]


def _frontier(options: Namespace, over_time: bool) -> "Frontier | None":
    """The frontier that is asked for."""
    if options.png:
        from aicfg.experiments.reports.writing import check_png

        check_png(options.png)
    if options.frontier_ttft:
        return "ttft"
    if not options.frontier:
        given = next((name for name in ("csv", "png") if getattr(options, name)), None)
        if given is not None and not over_time:
            beside = "--frontier, --frontier-ttft or a load over time (load.profile)"
            raise InputError(f"--{given}: only of use beside {beside}")
        return None
    return "tpot"


def _write_files(plans: list[Plan], options: Namespace) -> None:
    """The frontier, or the day, as a table and as a picture."""
    from aicfg.experiments.reports.day_files import write_day
    from aicfg.experiments.reports.frontier_files import write_frontier

    for plan in plans:
        write = write_frontier if plan.capacity is None else write_day
        write(plan, options.csv, options.png)


def _refuse_one_file(options: Namespace, count: int) -> None:
    for name in ("csv", "png"):
        if getattr(options, name):
            raise InputError(f"--{name}: writes the figures of one experiment, {count} are given")


class Job(NamedTuple):
    """A case, and how a message begins that is about it."""

    where: str
    case: "Case | CapacityCase"


def _solved(jobs: list[Job], options: "Options") -> Iterator[Plan]:
    """The plans one by one; an interrupt ends them, and those in hand count."""
    from aicfg.experiments.api import solve_ready
    from aicfg.solver.errors import NodePackingError, UnsupportedAskError

    done = 0
    try:
        with progress(jobs[0].case.experiment.name, after_s=0.0 if len(jobs) > 1 else 1.0) as advance:
            for number, job in enumerate(jobs):
                if len(jobs) > 1:
                    advance(number, len(jobs), job.case.experiment.name)
                try:
                    plan = solve_ready(job.case, options)
                except (InputError, NodePackingError, UnsupportedAskError) as error:
                    raise InputError(f"{job.where}{error}") from None
                yield plan
                done += 1
    except KeyboardInterrupt:
        if not done:
            raise
        print(f"aicfg: warning: interrupted; {len(jobs) - done} experiments are not solved", file=sys.stderr)


def _jobs(files: Iterable[str], settings: list[str]) -> list[Job]:
    """Every experiment of the files, ready to solve; whatever is wrong with them is raised together."""
    from aicfg.experiments.api import ready
    from aicfg.experiments.ask.loader import load

    jobs: list[Job] = []
    faults: list[str] = []
    for file in files:
        try:
            experiments = load(file, settings=settings)
        except InputError as error:
            faults.append(str(error))
            continue
        for experiment in experiments:
            where = f"{file}: " if len(experiments) == 1 else f"{file}: experiments.{experiment.name}: "
            try:
                jobs.append(Job(where, ready(experiment)))
            except InputError as error:
                faults.append(f"{where}{error}")
    if faults:
        raise InputError("\n".join(faults))
    _refuse_equal_names([job.case.experiment.name for job in jobs])
    return jobs


def _refuse_equal_names(names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two experiments are called {twice!r}; give one of them another 'name'")


def _export(jobs: list[Job], path: Path) -> None:
    """The program of each mode as a file; with two modes the mode goes into the file's name."""
    from aicfg.experiments.api import asked
    from aicfg.solver.errors import UnsupportedAskError
    from aicfg.solver.pyomo_model import export

    if len(jobs) > 1:
        raise InputError(f"--export {path}: writes one experiment's program, {len(jobs)} are given")
    (points, asks), reasons = asked(jobs[0].case), []
    for each in asks:
        mode = each.mode
        target = path if len(asks) == 1 else path.with_name(f"{path.stem}.{mode}{path.suffix}")
        try:
            export(points, each, target)
            print(f"aicfg: wrote {target}", file=sys.stderr)
        except UnsupportedAskError as reason:
            reasons.append(f"{mode}: {reason}")
        except OSError as error:
            raise InputError(f"--export {target}: cannot be written: {error.strerror}") from None
    if len(reasons) == len(asks):
        raise InputError(f"--export {path}: {'; '.join(reasons)}")


def _print(plans: list[Plan], *, color: bool) -> None:
    from aicfg.experiments.reports.plan import print_report

    for number, plan in enumerate(plans):
        if number:
            print()
        print_report(plan, sys.stdout, color=color)


def _warn(plans: Iterable[Plan]) -> None:
    for plan in plans:
        if plan.status == "feasible":
            gap = plan.certificate.gap
            rest = (
                "the engine has no bound yet" if gap is None else f"a plan up to {gap:.2%} better may exist"
            )
            print(f"aicfg: warning: {plan.experiment}: stopped before the proof; {rest}", file=sys.stderr)


def _exit_code(plans: Iterable[Plan]) -> int:
    """3 when any is infeasible, else 4 when any is unknown, else 0."""
    codes = {plan.exit_code for plan in plans}
    return next((code for code in (3, 4) if code in codes), 0)
