"""An experiment that plans capacity, with everything at hand: its classes, each a plain case; its loads."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import msgspec

from aicfg.experiments.ask.schema import Experiment, Fleet, FleetPool, Workload
from aicfg.experiments.ask.schema_capacity import Load, Sla, Spare, WorkloadClass
from aicfg.experiments.capacity.day import DayStep, read_profile
from aicfg.experiments.capacity.reduction import Reduced, reduce_distribution, reduce_requests
from aicfg.experiments.capacity.trace import Trace, read_trace
from aicfg.experiments.plans.plan import Plan
from aicfg.experiments.solving.prepare import Case, prepare
from aicfg.model_specs.errors import AicfgError, InputError
from aicfg.model_specs.resolve import load_architecture


@dataclass(frozen=True)
class Kind:
    """A class of requests, and the plain question of serving it alone."""

    name: str
    share: float
    """Of all requests; the shares add up to 1."""
    sla: Sla
    case: Case

    @property
    def workload(self) -> Workload:
        """Its lengths."""
        return self.case.experiment.workload


@dataclass(frozen=True)
class Traffic:
    """What is known of the requests, as they are given."""

    classes: tuple[WorkloadClass, ...]
    requests_per_s: float | None
    arrival_cv2: float = 1.0
    trace: Trace | None = None
    left_out: int = 0
    reduced: Reduced | None = None


@dataclass(frozen=True)
class CapacityCase:
    """Everything that an experiment which plans capacity names."""

    experiment: Experiment
    kinds: tuple[Kind, ...]
    steps: tuple[DayStep, ...]
    """One, of no length, where the load does not change."""
    traffic: Traffic
    current: Plan | None
    seconds: float

    @property
    def over_time(self) -> bool:
        """Whether the load has a profile."""
        return self.experiment.load is not None and self.experiment.load.profile is not None

    @property
    def load(self) -> Load:
        """The load's keys, as given or by default."""
        return self.experiment.load or Load()


def prepare_capacity(experiment: Experiment) -> CapacityCase:
    """Everything that ``experiment`` names.

    Raises
    ------
    InputError
        For a name or a file that does not exist or cannot be read; the message begins with the key.
    """
    started = perf_counter()
    traffic = traffic_of(experiment)
    return case_of(experiment, traffic, _current(experiment), perf_counter() - started)


def case_of(
    experiment: Experiment, traffic: Traffic, current: Plan | None = None, seconds: float = 0.0
) -> CapacityCase:
    """The case of given traffic; its classes are prepared one after the other."""
    started = perf_counter() - seconds
    weights = [each.requests_per_s or each.share or 1.0 for each in traffic.classes]
    kinds = []
    for number, each in enumerate(traffic.classes):
        sla = experiment.sla if each.sla is None else _counted_alike(each.sla, experiment.sla)
        plain = _plain(experiment, Workload(isl=each.isl, osl=each.osl, prefix=each.prefix), sla)
        try:
            case = prepare(plain)
        except InputError as error:
            where = f"workload.classes[{number}]: " if experiment.workload.classes else ""
            raise InputError(f"{where}{error}") from None
        name = each.name or (f"k{number + 1}" if len(traffic.classes) > 1 else "all")
        kinds.append(Kind(name, weights[number] / sum(weights), sla, case))
    first = kinds[0].case.experiment
    understood = msgspec.structs.replace(experiment, serving=first.serving)
    steps = _steps(experiment, kinds, traffic.requests_per_s)
    return CapacityCase(understood, tuple(kinds), steps, traffic, current, perf_counter() - started)


def _counted_alike(own: Sla, whole: Sla) -> Sla:
    """A class's own agreement, with the whole one's confidence and arrivals where it says nothing of them."""
    arrivals = whole.arrivals if own.arrivals == "closed" else own.arrivals
    confidence = whole.confidence if own.confidence is None else own.confidence
    return msgspec.structs.replace(own, confidence=confidence, arrivals=arrivals)


def traffic_of(experiment: Experiment, reduce_to: int | None = None) -> Traffic:
    """The classes of requests that the workload is of, or is reduced to."""
    workload, load = experiment.workload, experiment.load
    rate = load.requests_per_s if load is not None and load.requests_per_s else None
    classes = reduce_to or workload.reduce_to
    if workload.trace:
        try:
            trace = read_trace(workload.trace)
        except InputError as error:
            raise InputError(f"workload.trace: {error}") from None
        return _of_trace(experiment, trace, classes, rate)
    if workload.distribution is not None:
        given = workload.distribution
        isl, osl = _quantiles("isl", given.isl), _quantiles("osl", given.osl)
        reduced = reduce_distribution(isl, osl, given.together, classes)
        return Traffic(_classes_of(reduced), rate, reduced=reduced)
    if workload.classes:
        rates = [each.requests_per_s for each in workload.classes if each.requests_per_s]
        return Traffic(workload.classes, sum(rates) if rates else rate)
    one = WorkloadClass(isl=workload.isl, osl=workload.osl, prefix=workload.prefix)
    return Traffic((one,), rate)


def _of_trace(experiment: Experiment, trace: Trace, classes: int, rate: float | None) -> Traffic:
    """Requests past the model's context are left out."""
    try:
        context = load_architecture(experiment.model, experiment.assume_family).max_position_embeddings
    except AicfgError as error:
        raise InputError(f"model: {error}") from None
    fits = trace.isl + trace.osl <= context
    if not fits.any():
        raise InputError(f"workload.trace: no request is within {context} tokens, the model's context")
    reduced = reduce_requests(trace.isl[fits], trace.osl[fits], trace.prefix[fits], classes)
    rate = rate if rate is not None else trace.requests_per_s
    needs = experiment.objective != "tokens_per_s" and not (experiment.load and experiment.load.profile)
    if rate is None and needs:
        raise InputError("load: missing, and the trace has no times; expected load: {requests_per_s: ...}")
    left_out = trace.left_out + int(len(fits) - fits.sum())
    return Traffic(_classes_of(reduced), rate, trace.arrival_cv2, trace, left_out, reduced)


def _classes_of(reduced: Reduced) -> tuple[WorkloadClass, ...]:
    rows = zip(reduced.isl, reduced.osl, reduced.prefix, reduced.share, strict=True)
    return tuple(
        WorkloadClass(isl=int(isl), osl=int(osl), prefix=int(prefix), share=float(share))
        for isl, osl, prefix, share in rows
    )


def _quantiles(name: str, given: dict[str, int]) -> dict[float, float]:
    """``p50: 800`` as 0.5: 800, checked to be ascending."""
    found: dict[float, float] = {}
    for key, tokens in given.items():
        try:
            at = float(key.lower().removeprefix("p")) / 100
        except ValueError:
            at = -1.0
        if not 0 <= at <= 1:
            expected = "expected percentiles such as p50 or p99"
            raise InputError(f"workload.distribution.{name}: got {key!r}; {expected}")
        found[at] = float(tokens)
    ordered = [tokens for _, tokens in sorted(found.items())]
    if ordered != sorted(ordered):
        raise InputError(f"workload.distribution.{name}: tokens fall where the percentile rises")
    return found


def _plain(experiment: Experiment, workload: Workload, sla: Sla) -> Experiment:
    """The question of one class alone, for the most tokens/s."""
    fleet = experiment.fleet
    pools = tuple(_priced(pool) for pool in fleet.pools)
    one = _priced(fleet.every[0])
    plain = Fleet(pools=pools) if pools else msgspec.structs.replace(
        fleet, purchase=(), price_per_gpu_hour=one.price_per_gpu_hour
    )  # fmt: skip
    return msgspec.structs.replace(
        experiment,
        workload=workload,
        sla=sla,
        fleet=plain,
        load=None,
        spare=Spare(),
        replan=None,
        objective="tokens_per_s",
        constraints=(),
    )


def _priced(pool: FleetPool) -> FleetPool:
    """A pool with offers at the price of the dearest."""
    if not pool.purchase:
        return pool
    dearest = max(offer.price_per_gpu_hour for offer in pool.purchase)
    return msgspec.structs.replace(pool, purchase=(), price_per_gpu_hour=dearest)


def _steps(experiment: Experiment, kinds: Sequence[Kind], rate: float | None) -> tuple[DayStep, ...]:
    """The rates of each class in each step, without peaks and headroom."""
    load = experiment.load
    if load is None or not load.profile:
        rates = tuple(kind.share * rate for kind in kinds) if rate is not None else ()
        return (DayStep("", 0.0, rates),)
    steps = read_profile(load.profile, [kind.name for kind in kinds])
    if len(steps[0].requests_per_s) == len(kinds) and len(kinds) > 1:
        return tuple(steps)
    return tuple(
        replace(step, requests_per_s=tuple(kind.share * step.requests_per_s[0] for kind in kinds))
        for step in steps
    )


def _current(experiment: Experiment) -> Plan | None:
    """The plan that runs today."""
    if experiment.replan is None:
        return None
    path = experiment.replan.current
    try:
        plan = Plan.from_json(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"replan.current: {path}: cannot be read: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"replan.current: {path}: {error}") from None
    if not plan.pools:
        raise InputError(f"replan.current: {path}: holds no plan ({plan.status})")
    return plan
