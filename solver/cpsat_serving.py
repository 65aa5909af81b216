"""The direct formulation's partners, latencies and rates: which slots exchange caches and what they serve."""

from dataclasses import dataclass
from typing import Any

from aicfg.solver.cpsat_slots import Slot
from aicfg.solver.points import Ask, Role

Pair = tuple[Slot, Slot, Any]
"""A prefill and a decode slot, and whether both are in use and of one transfer group."""


@dataclass(frozen=True)
class Rates:
    """What the whole plan serves, as expressions in micro-units."""

    tokens: Any
    requests: Any
    goal: Any
    """The tokens/s to be maximised, ``unit`` micro-tokens/s each."""
    unit: int


def add_partners(model: Any, ask: Ask, slots: list[Slot]) -> list[Pair]:
    """A prefill slot in use has a decode slot of its group in use, and the other way round."""
    firsts = [slot for slot in slots if slot.role == Role.PREFILL]
    nexts = [slot for slot in slots if slot.role == Role.DECODE]
    pairs = []
    for i, first in enumerate(firsts):
        for j, following in enumerate(nexts):
            together = model.new_bool_var(f"together.{i}.{j}")
            model.add_implication(together, first.used)
            model.add_implication(together, following.used)
            model.add(first.group == following.group).only_enforce_if(together)
            model.add(first.group != following.group).only_enforce_if(~together, first.used, following.used)
            pairs.append((first, following, together))
    for slot in firsts + nexts:
        model.add_bool_or(
            [both for *sides, both in pairs if any(slot is side for side in sides)] + [~slot.used]
        )
    return pairs


def add_latency(model: Any, ask: Ask, slots: list[Slot], pairs: list[Pair]) -> None:
    """Bounds of every slot in use; a request's latency is of an agg slot, or of both of a pair."""
    for slot in slots:
        for figure, bound in ((slot.ttft, ask.ttft_ns), (slot.tpot, ask.tpot_ns)):
            if bound is not None:
                model.add(figure <= bound).only_enforce_if(slot.used)
    if ask.request_latency_ns is not None:
        for latency, used in _latencies(ask, slots, pairs):
            model.add(latency <= ask.request_latency_ns).only_enforce_if(used)


def request_latencies(model: Any, ask: Ask, slots: list[Slot], pairs: list[Pair]) -> Any:
    """A variable at least as large as every request latency in use."""
    worst = model.new_int_var(0, 2**60, "worst")
    for latency, used in _latencies(ask, slots, pairs):
        model.add(worst >= latency).only_enforce_if(used)
    return worst


def _latencies(ask: Ask, slots: list[Slot], pairs: list[Pair]) -> list[tuple[Any, Any]]:
    alone = [(s.ttft + ask.latency_tokens * s.tpot, s.used) for s in slots if s.role == Role.AGG]
    return alone + [(p.ttft + ask.latency_tokens * d.tpot, both) for p, d, both in pairs]


def add_rates(model: Any, ask: Ask, slots: list[Slot]) -> Rates:
    """Agg slots add up; a transfer group serves what the slower of its roles does."""
    agg = [slot for slot in slots if slot.role == Role.AGG]
    paired = [slot for slot in slots if slot.role != Role.AGG]
    served = sum(_served_by_group(model, paired)) if paired else 0
    tokens = sum(slot.tokens for slot in agg) + ask.tokens_per_request * served
    requests = sum(slot.requests for slot in agg) + served
    return Rates(tokens, requests, *((tokens, 1) if agg else (served, ask.tokens_per_request)))


def _served_by_group(model: Any, slots: list[Slot]) -> list[Any]:
    """The requests/s of each transfer group that some slot can be of."""
    if len(slots) == 2:  # one pair: of one group, as partners
        most = min(slot.most_requests for slot in slots)
        return [_lower(model, "all", most, [[slot.requests] for slot in slots])]
    most = sum(slot.most_requests for slot in slots)
    groups = sorted({g for slot in slots for g in slot.groups.tolist()})
    return [
        _lower(
            model,
            str(group),
            most,
            [
                [
                    _share(model, slot, group, f"{role.name}.{i}")
                    for i, slot in enumerate(slots)
                    if slot.role == role
                ]
                for role in (Role.PREFILL, Role.DECODE)
            ],
        )
        for group in groups
    ]


def _lower(model: Any, name: str, most: int, sides: list[list[Any]]) -> Any:
    served = model.new_int_var(0, most, f"served.{name}")
    for side in sides:
        model.add(served <= sum(side))
    return served


def _share(model: Any, slot: Slot, group: int, name: str) -> Any:
    """The slot's requests/s if it is of ``group``, else 0."""
    here = model.new_bool_var(f"{name}.in_group.{group}")
    model.add(slot.group == group).only_enforce_if(here)
    model.add(slot.group != group).only_enforce_if(~here)
    share = model.new_int_var(0, slot.most_requests, f"{name}.of_group.{group}")
    model.add(share == slot.requests).only_enforce_if(here)
    model.add(share == 0).only_enforce_if(~here)
    return share
