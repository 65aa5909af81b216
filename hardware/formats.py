"""Number formats that a checkpoint can be served in: its own, or what an engine makes of it while loading."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

from aicfg.hardware.fitting import measured_arithmetic
from aicfg.hardware.modes import DataMode
from aicfg.hardware.system import System
from aicfg.hardware.tables.store import Tables
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.facts import read_entry
from aicfg.model_specs.quantization import flops_class, infer

_FACTS = Path(__file__).with_name("formats.yaml")

Choice = dict[str, str]
"""Formats by component; a component that is left out is as the checkpoint implies."""


def offered(
    architecture: Architecture,
    system: System,
    tables: Tables,
    mode: DataMode,
    wanted: Collection[str],
    named: Mapping[str, str],
) -> list[Choice]:
    """Every choice of formats for the components ``wanted`` that the engine can make of the checkpoint.

    Components that are ``named`` have their format; a prefill attention without one goes with the cache.

    The checkpoint's own weights come first, in whatever format they are served; others only where they were
    measured (or, where the data mode estimates, where the GPU has their arithmetic). Weights that are turned
    into another format while they are loaded are all of that format; collectives stay as they are.
    """
    served = _Served(architecture, system, tables, mode)
    free = {*wanted, "fmha"} - named.keys() if "kvcache" in wanted else set(wanted)
    caches = served.caches() if "kvcache" in wanted else [named.get("kvcache", served.own["kvcache"])]
    choices: list[Choice] = []
    for weights, kvcache in product(served.weights(), caches):
        for attention in served.attention(kvcache):
            every = {**weights, "kvcache": kvcache, **attention}
            choice = {name: value for name, value in every.items() if name in free}
            choices += [] if choice in choices else [choice]
    return choices


class _Served:
    """One checkpoint on one engine and GPU."""

    def __init__(self, architecture: Architecture, system: System, tables: Tables, mode: DataMode) -> None:
        self.architecture, self.system, self.tables, self.mode = architecture, system, tables, mode
        self.own = asdict(infer(architecture))
        self.engine = _engine(tables.backend)

    def weights(self) -> Iterator[Choice]:
        """The checkpoint's own, and all of them in each format that they can be turned into."""
        yield {}
        has_experts = self.architecture.moe is not None
        if has_experts and self.own["moe"] != self.own["gemm"]:
            return
        for turned in self.engine["weights"].get(self.own["gemm"], ()):
            parts = ("gemm", "moe") if has_experts else ("gemm",)
            if all(self._can_be_priced(part, turned) for part in parts):
                yield dict.fromkeys(parts, turned)

    def caches(self) -> list[str]:
        """The checkpoint's first; others where the prefill attention was measured over them."""
        own = self.own["kvcache"]
        others = (each for each in self.engine["kvcache"] if each != own)
        return [own, *(each for each in others if self._arithmetic(each) or self._estimated("kvcache", each))]

    def attention(self, kvcache: str) -> list[Choice]:
        """What was measured over a cache; else as the checkpoint implies."""
        return [{"fmha": each} for each in sorted(self._arithmetic(kvcache))] or [{}]

    def _arithmetic(self, kvcache: str) -> set[str]:
        return measured_arithmetic(self.architecture, self.tables, kvcache)

    def _can_be_priced(self, component: str, turned: str) -> bool:
        measured = any(key[0] == turned for key in self.tables.keys(component))
        return measured or self._estimated(component, turned)

    def _estimated(self, component: str, turned: str) -> bool:
        return self.mode is not DataMode.SILICON and flops_class(component, turned) in self.system.flops


@cache
def _engine(backend: str) -> dict[str, Any]:
    found = read_entry(_FACTS, backend)
    assert found is not None, f"{_FACTS.name} has no {backend}"
    return dict(found[1])
