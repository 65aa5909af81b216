"""One experiment as AIConfigurator's users state it: flat keys of the right kinds, without contradictions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aicfg.experiments.ask.document import KeyPath
from aicfg.experiments.peer.requests.keys import AFD_PREFIX, KEYS, ROLE_KEYS, WORKER_KEYS, Key, keys_of
from aicfg.experiments.peer.requests.kinds import UNBOUNDED, is_nothing, wrong
from aicfg.model_specs.errors import InputError, nearest


class Entry(NamedTuple):
    """One key as it was given."""

    key: str
    """Its flat name."""
    value: Any
    path: KeyPath
    """Where it stands in what was given."""


Where = Callable[[KeyPath], str]
"""How a message names the place of a key: file, line and path, or a flag."""


@dataclass(frozen=True)
class Request:
    """One experiment: only what was given, in canonical types."""

    name: str
    values: Mapping[str, Any]

    @property
    def mode(self) -> str:
        """``agg`` or ``disagg``."""
        return str(self.values["serving_mode"])

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of its workers."""
        return ("prefill", "decode") if self.mode == "disagg" else ("agg",)

    def get(self, key: str) -> Any:
        """The value of ``key``, or its documented default."""
        return self.values.get(key, KEYS[key].default)

    def of(self, role: str, key: str) -> Any:
        """What one role's workers have: their own value, else the shared one, else the default."""
        return self.values.get(f"{role}_{key}", self.get(key))

    def bound(self, key: str) -> float | None:
        """A latency bound in ms; None where there is none. A request's latency replaces that of a token."""
        if key == "tpot" and self.bound("request_latency") is not None:
            return None
        value = self.get(key)
        return None if value in (None, UNBOUNDED) else value


def request_of(name: str, entries: Iterable[Entry], where: Where) -> Request:
    """The experiment that ``entries`` state.

    Raises
    ------
    InputError
        One line for each fault: an unknown key with the nearest, a value of the wrong kind, a contradiction.
    """
    given = [entry for entry in entries if not is_nothing(entry.value)]
    mode = next((entry.value for entry in given if entry.key == "serving_mode"), None)
    accepted = keys_of(mode if isinstance(mode, str) else "agg")
    values: dict[str, Any] = {}
    paths: dict[str, KeyPath] = {}
    faults: list[str] = []
    for key, value, path in given:
        if key.startswith(AFD_PREFIX):
            values[key] = value
        elif key not in accepted:
            if not _idle(key, value):
                faults.append(f"{where(path)}: {_unknown(key, accepted, str(mode))}")
        else:
            paths[key] = path
            try:
                values[key] = accepted[key].kind.read(value)
            except (ValueError, TypeError) as error:
                faults.append(f"{where(path)}: {wrong(value, accepted[key].kind, error)}")
    request = Request(name, values)
    if not faults:
        faults = [f"{where(paths.get(key, ()))}: {text}" for key, text in _contradictions(request)]
    if faults:
        raise InputError("\n".join(faults))
    return request


def _idle(key: str, value: Any) -> bool:
    """Keys of the other mode at their defaults, which AIConfigurator's own saved experiments are full of."""
    if key not in KEYS:
        return False
    plain = WORKER_KEYS.get(key.partition("_")[2]) if key in ROLE_KEYS else KEYS[key]
    defaults = {
        "prefill_max_batch_size": 1,
        "decode_max_batch_size": 512,
        "prefill_latency_correction": 1.1,
        "decode_latency_correction": 1.08,
        "rate_match_prefill_degradation": 0.9,
        "rate_match_decode_degradation": 0.92,
        "autoscale_ttft_correction_factor": 1.8,
    }
    return plain is not None and value == defaults.get(key, plain.default)


def _unknown(key: str, accepted: Mapping[str, Key], mode: str) -> str:
    if key in KEYS:
        return f"not a key of a {mode} experiment{nearest(key, accepted)}"
    return f"unknown key{nearest(key, accepted)}"


def _contradictions(request: Request) -> Iterator[tuple[str, str]]:
    """What is wrong between values that are each right by themselves, and the key it is at."""
    yield from _missing(request)
    isl, prefix, nextn = request.get("isl"), request.get("prefix"), request.get("nextn")
    if prefix >= isl:
        yield "prefix", f"got {prefix}; expected fewer than the isl of {isl} tokens"
    accepted = request.get("nextn_accepted")
    if nextn not in (0, "auto") and accepted is None:
        yield (
            "nextn",
            f"got {nextn} without nextn_accepted: how many drafted tokens does a step keep on average?",
        )
    if accepted is not None and isinstance(nextn, int) and accepted > nextn:
        yield "nextn_accepted", f"got {accepted:g}; expected at most the nextn of {nextn}"
    longest = request.get("max_seq_len")
    if longest is not None and longest < isl + request.get("osl"):
        yield "max_seq_len", f"got {longest}; expected at least isl + osl = {isl + request.get('osl')} tokens"
    if request.values.get("serving_mode") == "disagg":
        yield from _between_roles(request)


def _missing(request: Request) -> Iterator[tuple[str, str]]:
    mode = request.values.get("serving_mode")
    if mode is None:
        yield "serving_mode", "missing serving_mode; expected agg or disagg"
        return
    if mode == "afd":
        yield "serving_mode", "afd: a split of attention and FFN is not modelled; expected agg or disagg"
        return
    for key in ("model_path", "system_name"):
        lacking = [role for role in request.roles if request.of(role, key) is None]
        if lacking:
            own = f" (or {lacking[0]}_{key})" if mode == "disagg" else ""
            yield key, f"missing {key}{own}"
    if "total_gpus" not in request.values:
        yield "total_gpus", "missing total_gpus"


def _between_roles(request: Request) -> Iterator[tuple[str, str]]:
    models = {request.of(role, "model_path") for role in request.roles}
    if len(models) > 1:
        both = " and ".join(sorted(map(str, models)))
        yield "decode_model_path", f"prefill and decode serve one model, got {both}"
    gpus = request.values.get("total_gpus")
    if gpus == 1:
        yield "total_gpus", "got 1; a prefill and a decode worker take at least 2 GPUs"
