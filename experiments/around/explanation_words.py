"""Why nothing is feasible, in sentences."""

from collections.abc import Mapping, Sequence

from aicfg.experiments.plans.plan import Relaxation
from aicfg.experiments.plans.words import exact, plan_words
from aicfg.experiments.solving.bounds import LOAD, MEMORY

_ALONE = {
    "sla.ttft_ms": "TTFT {asked} ms is below the fastest prefill that the rest allows, {needed} ms{by}.",
    "sla.tpot_ms": "TPOT {asked} ms is below the fastest decoding that the rest allows, {needed} ms{by}.",
    "sla.request_latency_ms": (
        "{asked} ms are too few for a request: the fastest that the rest allows takes {needed} ms{by}."
    ),
    MEMORY: "A GPU can hold {asked} GiB, where at least {needed} GiB are needed{by}.",
    LOAD: "{asked} requests/s are too many; the most that the rest allows are {needed}{by}.",
}
_TOO_FEW = "{asked} GPUs are too few; the fewest that the rest allows are {needed}{by}."
_PHRASES = {
    "sla.ttft_ms": "TTFT {} ms",
    "sla.tpot_ms": "TPOT {} ms",
    "sla.request_latency_ms": "{} ms a request",
    MEMORY: "{} GiB a GPU",
    LOAD: "{} requests/s",
    "fleet.gpus": "{} GPUs",
}


def bounds_words(bounds: Mapping[str, float | str]) -> str:
    """Bounds by key, such as ``sla.ttft_ms 136.08, fleet.gpus 4``."""
    return ", ".join(f"{key} {bound_words(value)}" for key, value in bounds.items())


def bound_words(value: float | str) -> str:
    """A bound with all the digits that make it hold; the text of a constraint, or that it is left out."""
    return exact(value) if not isinstance(value, str) else value if value else "left out"


def explanation_words(
    relaxations: Sequence[Relaxation],
    conflicts: Sequence[Sequence[str]],
    combined: Mapping[str, float | str] | None,
    constraints: Sequence[str],
) -> str:
    """Which bounds are out of reach or cannot hold together, and what is enough."""
    if not conflicts:
        return "No two workers of this model can serve together on this system, whatever the bounds."
    asked = {each.constraint: each.asked for each in relaxations}
    enough = [each for each in relaxations if each.needed is not None]
    if [(each.constraint,) for each in enough] == list(conflicts):
        return _alone(enough[0], constraints)
    together = " ".join(
        _together([_phrase(key, asked.get(key), constraints) for key in conflict]) for conflict in conflicts
    )
    if enough:
        return f"{together} Enough by itself: {', or '.join(_enough(each) for each in enough)}."
    if combined:
        changes = bounds_words(combined)
        return f"{together} No change of one bound alone is enough; together these are: {changes}."
    return together


def _alone(each: Relaxation, constraints: Sequence[str]) -> str:
    """A bound that cannot be held whatever the others are."""
    key = each.constraint
    if isinstance(each.asked, str) or isinstance(each.needed, str):
        change = f" It would do as {each.needed}." if each.needed else ""
        return f"No plan holds {_phrase(key, each.asked, constraints)}.{change}"
    template = _ALONE.get(key, _TOO_FEW if key == "fleet.gpus" else f"{key}: {_TOO_FEW}")
    assert each.needed is not None
    return template.format(asked=exact(each.asked), needed=exact(each.needed), by=_by(each))


def _together(phrases: Sequence[str]) -> str:
    if len(phrases) == 1:
        return f"No plan holds {phrases[0]}."
    return f"{', '.join(phrases[:-1])} and {phrases[-1]} cannot hold together."


def _enough(each: Relaxation) -> str:
    if isinstance(each.needed, str):
        read = f"as {each.needed}" if each.needed else "left out"
        return f"{each.constraint} {read}{_by(each)}"
    return _phrase(each.constraint, each.needed, ()) + _by(each)


def _phrase(key: str, value: float | str | None, constraints: Sequence[str]) -> str:
    """A bound as part of a sentence: ``TTFT 50 ms``, ``8 GPUs``, ``h200_sxm.gpus 8``, ``'agg.tp > 8'``."""
    if key.startswith("constraints["):
        return f"{constraints[int(key[12:-1])]!r} ({key})"
    if value is None:
        return key
    shown = exact(value) if not isinstance(value, str) else value
    return _PHRASES[key].format(shown) if key in _PHRASES else f"{key} {shown}"


def _by(each: Relaxation) -> str:
    return "" if each.plan is None else f" ({plan_words(each.plan)})"
