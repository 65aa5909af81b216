"""When an experiment plans capacity, and what is wrong between the keys that do."""

from collections.abc import Iterator

from aicfg.experiments.ask.problem import Problem
from aicfg.experiments.ask.schema import Experiment
from aicfg.experiments.ask.schema_capacity import Load, Spare

OBJECTIVES = ("tokens_per_s", "gpus", "cost")


def is_capacity(experiment: Experiment) -> bool:
    """Whether any key asks for more than one load of requests of one length on one fleet at one price."""
    workload, load = experiment.workload, experiment.load
    return bool(
        workload.classes
        or workload.trace
        or workload.distribution
        or (load is not None and load != Load(requests_per_s=load.requests_per_s))
        or experiment.spare != Spare()
        or experiment.replan is not None
        or any(pool.purchase for pool in experiment.fleet.every)
    )


def has_load(experiment: Experiment) -> bool:
    """Whether it is said what must be served: a rate, a profile, rates of classes, or a trace with times."""
    load, workload = experiment.load, experiment.workload
    given = load is not None and bool(load.requests_per_s or load.profile)
    return given or any(each.requests_per_s for each in workload.classes) or bool(workload.trace)


def capacity_contradictions(experiment: Experiment) -> Iterator[Problem]:
    """Every contradiction of an experiment that plans capacity."""
    if experiment.objective not in OBJECTIVES:
        expected = f"expected one of {', '.join(OBJECTIVES)} where capacity is planned"
        yield Problem(("objective",), f"got {experiment.objective}; {expected}")
    yield from _of_classes(experiment)
    yield from _of_load(experiment)
    yield from _of_purchase(experiment)
    needs_load = experiment.spare != Spare() and experiment.objective != "tokens_per_s"
    if needs_load and not has_load(experiment):
        yield Problem(("spare",), "given without a load; expected load: {requests_per_s: ...}")


def _of_classes(experiment: Experiment) -> Iterator[Problem]:
    classes = experiment.workload.classes
    names: dict[str, int] = {}
    for number, each in enumerate(classes):
        path = ("workload", "classes", str(number))
        if each.prefix >= each.isl:
            yield Problem((*path, "prefix"), f"got {each.prefix}; expected fewer than the isl of {each.isl}")
        if each.name and each.name in names:
            first = f"workload.classes[{names[each.name]}]"
            yield Problem((*path, "name"), f"{each.name!r} is the name of {first} too")
        names.setdefault(each.name, number)
        if each.share is not None and each.requests_per_s is not None:
            yield Problem((*path, "share"), "given beside requests_per_s: keep one of the two")
    rates = [each.requests_per_s is not None for each in classes]
    if any(rates) and not all(rates):
        missing = rates.index(False)
        place = ("workload", "classes", str(missing), "requests_per_s")
        yield Problem(place, "missing; expected for all classes or for none")


def _of_load(experiment: Experiment) -> Iterator[Problem]:
    load, classes = experiment.load, experiment.workload.classes
    if load is None:
        return
    if load.profile and load.requests_per_s:
        yield Problem(("load", "profile"), "given beside requests_per_s: keep one of the two")
    if load.requests_per_s and any(each.requests_per_s for each in classes):
        yield Problem(("load", "requests_per_s"), "given beside those of the classes: keep one of the two")
    if load.profile and experiment.objective == "tokens_per_s":
        yield Problem(("objective",), "got tokens_per_s; expected gpus or cost where the load has a profile")
    if load.profile and experiment.replan is not None:
        yield Problem(("replan",), "given beside load.profile: keep one of the two")


def _of_purchase(experiment: Experiment) -> Iterator[Problem]:
    fleet = experiment.fleet
    for number, pool in enumerate(fleet.every):
        path = ("fleet", *(("pools", str(number)) if fleet.pools else ()))
        if not pool.purchase:
            continue
        total = sum(offer.gpus for offer in pool.purchase)
        if pool.gpus != total:
            yield Problem((*path, "gpus"), f"got {pool.gpus}; expected {total}, the sum of its offers")
        if pool.price_per_gpu_hour is not None:
            yield Problem((*path, "price_per_gpu_hour"), "given beside purchase: keep one of the two")
