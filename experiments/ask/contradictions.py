"""What is wrong between values of an experiment that are each right by themselves."""

from collections.abc import Iterator

import msgspec

from aicfg.experiments.ask.capacity_rules import capacity_contradictions, has_load, is_capacity
from aicfg.experiments.ask.fields import AUTO
from aicfg.experiments.ask.problem import Problem
from aicfg.experiments.ask.schema import Experiment
from aicfg.model_specs.errors import InputError

ROLES = ("agg", "prefill", "decode")


def contradictions(experiment: Experiment) -> Iterator[Problem]:
    """Every contradiction of an experiment whose values have the right types."""
    workload = experiment.workload
    if workload.isl and workload.prefix >= workload.isl:
        accepted = f"expected fewer than the isl of {workload.isl} tokens"
        yield Problem(("workload", "prefix"), f"got {workload.prefix}; {accepted}")
    yield from _of_bounds(experiment)
    yield from _of_formats(experiment)
    yield from _of_drafts(experiment)
    yield from _of_batches(experiment)
    yield from _of_pools(experiment)
    yield from _of_objective(experiment)
    yield from _of_constraints(experiment)
    if is_capacity(experiment):
        yield from capacity_contradictions(experiment)


def _of_bounds(experiment: Experiment) -> Iterator[Problem]:
    sla = experiment.sla
    if sla.request_latency_ms is None:
        return
    if sla.tpot_ms is not None:
        both = f"given beside tpot_ms ({sla.tpot_ms:g}); it stands in its place: keep one of the two"
        yield Problem(("sla", "request_latency_ms"), both)
    if sla.ttft_ms is not None and sla.ttft_ms > sla.request_latency_ms:
        longer = f"got {sla.ttft_ms:g}; expected at most the request_latency_ms of {sla.request_latency_ms:g}"
        yield Problem(("sla", "ttft_ms"), longer)


def _of_formats(experiment: Experiment) -> Iterator[Problem]:
    formats = msgspec.structs.asdict(experiment.serving.quant)
    given = {name: value for name, value in formats.items() if value and value != AUTO}
    if not given:
        return
    from aicfg.model_specs.quantization import Quant

    for component, names in given.items():
        for name in (names,) if isinstance(names, str) else names:
            try:
                Quant(**{component: name})
            except InputError as error:
                text = str(error).removeprefix(f"quant.{component}: ")
                yield Problem(("serving", "quant", component), text)


def _of_drafts(experiment: Experiment) -> Iterator[Problem]:
    drafts, place = experiment.serving.speculative, ("serving", "speculative")
    accepted, rates = drafts.accepted, drafts.acceptance_rates
    if accepted is not None and rates is not None:
        yield Problem((*place, "acceptance_rates"), "given beside accepted: keep one of the two")
    elif drafts.nextn and accepted is None and rates is None:
        missing = f"missing; expected how many of the {drafts.nextn} draft tokens a step keeps on average"
        yield Problem((*place, "accepted"), f"{missing} (or acceptance_rates)")
    elif accepted is not None and accepted > drafts.nextn:
        yield Problem((*place, "accepted"), f"got {accepted:g}; expected at most the nextn of {drafts.nextn}")
    elif rates is not None and not drafts.nextn:
        yield Problem(
            (*place, "nextn"), "missing beside acceptance_rates; expected how many tokens are drafted"
        )
    elif rates is not None and len(rates) < drafts.nextn:
        expected = f"expected one for each of the {drafts.nextn} draft tokens (more are left out)"
        yield Problem((*place, "acceptance_rates"), f"got {len(rates)} of them; {expected}")


def _of_batches(experiment: Experiment) -> Iterator[Problem]:
    for role in ROLES:
        search = getattr(experiment.serving.search, role)
        if search.batch is not None and search.max_batch is not None:
            place = ("serving", "search", role, "max_batch")
            yield Problem(place, "given beside batch: keep one of the two")


def _of_pools(experiment: Experiment) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, pool in enumerate(experiment.fleet.pools):
        place = ("fleet", "pools", str(number), "name")
        if pool.label in seen:
            first = f"fleet.pools[{seen[pool.label]}]"
            yield Problem(
                place, f"{pool.label!r} is the name of {first} too; give each pool a name of its own"
            )
        elif pool.label in ROLES:
            yield Problem(place, f"got {pool.label!r}, which is a role; expected another name")
        seen.setdefault(pool.label, number)


def _of_objective(experiment: Experiment) -> Iterator[Problem]:
    objective, fleet = experiment.objective, experiment.fleet
    if objective != "tokens_per_s" and not has_load(experiment):
        yield Problem(
            ("load",),
            f"missing; objective {objective} needs what must be served, such as {{requests_per_s: 10}}",
        )
    if objective == "cost":
        for number, pool in enumerate(fleet.every):
            if pool.price_per_gpu_hour is None and not pool.purchase:
                path = ("fleet", *(("pools", str(number)) if fleet.pools else ()), "price_per_gpu_hour")
                yield Problem(path, "missing; objective cost needs the price of a GPU-hour")


def _of_constraints(experiment: Experiment) -> Iterator[Problem]:
    if not experiment.constraints:
        return
    from aicfg.solver.constraints import parse

    for number, text in enumerate(experiment.constraints):
        try:
            parse(text)
        except InputError as error:
            yield Problem(("constraints", str(number)), str(error).removeprefix("constraint "))
