"""``aicfg solve``: files in, plans out."""

import sys
from argparse import Namespace
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aicfg.experiments.options import settings_of
from aicfg.experiments.plan import Plan, json_text
from aicfg.model_specs.errors import InputError

INTERRUPTED = 4

if TYPE_CHECKING:
    from collections.abc import Callable

    from aicfg.experiments.api import Frontier, Options
    from aicfg.experiments.prepare import Case


def run_solve(options: Namespace) -> int:
    """``aicfg solve``: solve, print, save; the exit code."""
    from aicfg.experiments.api import Options

    folder = None if options.save_dir is None else Path(options.save_dir)
    if folder is not None:
        from aicfg.experiments.results import check_folder

        check_folder(folder)
    frontier = _frontier(options)
    jobs = _jobs(options.files, settings_of(options))
    if len(jobs) > 1:
        _refuse_one_file(options, len(jobs))
    if options.export is not None:
        _export(jobs, Path(options.export))
    asked = Options(options.engine, options.time_limit, alternatives=options.alternatives, frontier=frontier)
    plans = list(_solved(jobs, asked))
    if options.csv or options.png:
        _write_frontier(plans, options)
    if options.json:
        print(json_text(plans[0] if len(jobs) == 1 else plans, indent=2))
    else:
        _print(plans, color=not options.no_color)
    if folder is not None:
        from aicfg.experiments.results import save

        save(plans, folder)
    _warn(plans)
    return _exit_code(plans) if len(plans) == len(jobs) else INTERRUPTED


def _frontier(options: Namespace) -> "Frontier | None":
    """The frontier that is asked for."""
    if options.png:
        from aicfg.experiments.writing import check_png

        check_png(options.png)
    if options.frontier_ttft:
        return "ttft"
    if not options.frontier:
        given = next((name for name in ("csv", "png") if getattr(options, name)), None)
        if given is not None:
            raise InputError(f"--{given}: only of use beside --frontier or --frontier-ttft")
        return None
    return "tpot"


def _write_frontier(plans: list[Plan], options: Namespace) -> None:
    from aicfg.experiments.frontier_files import write_frontier

    for plan in plans:
        write_frontier(plan, options.csv, options.png)


def _refuse_one_file(options: Namespace, count: int) -> None:
    for name in ("csv", "png"):
        if getattr(options, name):
            raise InputError(f"--{name}: writes one experiment's frontier, {count} are given")


class Job(NamedTuple):
    """A case, and how a message begins that is about it."""

    where: str
    case: "Case"


def _solved(jobs: list[Job], options: "Options") -> Iterator[Plan]:
    """The plans one by one; an interrupt ends them, and those in hand count."""
    from aicfg.experiments.api import solve_case
    from aicfg.solver.errors import NodePackingError, UnsupportedAskError

    done = 0
    try:
        with _progress(len(jobs)) as advance:
            for job in jobs:
                advance(job.case.experiment.name)
                try:
                    plan = solve_case(job.case, options)
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
    from aicfg.experiments.loader import load
    from aicfg.experiments.prepare import prepare

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
                jobs.append(Job(where, prepare(experiment)))
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
    from aicfg.experiments.assemble import ask, candidates, modes
    from aicfg.solver.errors import UnsupportedAskError
    from aicfg.solver.pyomo_model import export

    if len(jobs) > 1:
        raise InputError(f"--export {path}: writes one experiment's program, {len(jobs)} are given")
    case = jobs[0].case
    found, reasons = candidates(case), []
    for mode in modes(case):
        target = path if len(modes(case)) == 1 else path.with_name(f"{path.stem}.{mode}{path.suffix}")
        try:
            export(found.points, ask(case, found, mode, None), target)
            print(f"aicfg: wrote {target}", file=sys.stderr)
        except UnsupportedAskError as reason:
            reasons.append(f"{mode}: {reason}")
        except OSError as error:
            raise InputError(f"--export {target}: cannot be written: {error.strerror}") from None
    if len(reasons) == len(modes(case)):
        raise InputError(f"--export {path}: {'; '.join(reasons)}")


@contextmanager
def _progress(count: int) -> "Iterator[Callable[[str], None]]":
    """Tells which experiment is being solved: a bar when there are several and a terminal shows it."""
    if count < 2 or not sys.stderr.isatty():
        yield lambda name: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=count)
        started = iter(range(count))
        yield lambda name: bar.update(task, description=name, completed=next(started))


def _print(plans: list[Plan], *, color: bool) -> None:
    from aicfg.experiments.report import print_report

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
