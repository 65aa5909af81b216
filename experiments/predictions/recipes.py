"""How the server of a measured row was launched: what the public benchmark's recipe says, and the row itself.

Tables of measurements record a layout and a load, not the flags that make prompts wait. ``recipes.yaml`` has
those of the benchmark that most public measurements come from, with their sources;
``pools.yaml`` those of its disaggregated runs.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec

from aicfg.hardware.launch import Launch
from aicfg.model_specs.layout import Layout

Lengths = tuple[int, int]
FILES = ("pools.yaml", "recipes.yaml")
"""In the order in which they are asked."""
MOST_OVERLOAD = 2
"""Clients over places to decode with which pools were run at most."""


class Pools(msgspec.Struct, frozen=True):
    """Prefill and decode workers of a disaggregated run, and the most requests that a decode rank takes."""

    prefills: int
    decodes: int
    kind: str
    """How a decode worker splits attention and experts: ``tp``, ``tep``, ``dp`` or ``dep``."""
    gpus: int
    """Of a decode worker."""
    batch: int

    @property
    def places(self) -> int:
        """Requests that decode at most."""
        return self.decodes * self.batch * (self.gpus if self.kind[0] == "d" else 1)

    @property
    def decode(self) -> Layout:
        """The layout of a decode worker."""
        degrees = {"dp" if self.kind[0] == "d" else "tp": self.gpus}
        degrees["moe_ep" if self.kind[1] == "e" else "moe_tp"] = self.gpus
        return Layout(**degrees)


@cache
def pools_of(name: str) -> Pools:
    """What the name of a recipe says, such as ``ctx1_gen5_tep8_batch16``."""
    found = re.fullmatch(r"ctx(\d+)_gen(\d+)_(tp|tep|dp|dep)(\d+)_batch(\d+)", name)
    assert found is not None, f"{name}: not the name of a recipe of pools"
    prefills, decodes, kind, gpus, batch = found.groups()
    return Pools(int(prefills), int(decodes), kind, int(gpus), int(batch))


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One launch script, and the rows that it stands for; what is not given is not asked."""

    backend: str
    models: tuple[str, ...]
    """Beginnings of models' names, without their organisation, in lower case."""
    source: str
    launch: dict[str, float | bool | str] = {}
    systems: tuple[str, ...] = ()
    weights: str = ""
    """Format of the dense products."""
    lengths: tuple[Lengths, ...] = ()
    versions: tuple[str, ...] = ()
    """Of the engine, as recorded."""
    until: str = ""
    """Last day of the runs, whose version was not recorded."""
    clients_from: int = 0
    tp_below: int = 1 << 30
    attention_dp: bool = False
    """Whether attention was split by data, although the rows record tp alone."""
    pools: dict[str, tuple[int, ...]] = {}
    """Of disaggregated runs: names of their pools, and the clients of each (none: not told)."""
    prefill: dict[str, int] = {}
    """Degrees of their prefill workers; empty where rows are right."""

    def pools_for(self, told: "Told") -> Pools | None:
        """Those that a row of a disaggregated run was made with."""
        shape = (told.prefills, told.decodes, told.decode_gpus)
        for name, clients in self.pools.items():
            pools = pools_of(name)
            same = shape == (pools.prefills, pools.decodes, pools.gpus)
            if same and (
                told.clients in clients if clients else told.clients <= MOST_OVERLOAD * pools.places
            ):
                return pools
        return None

    def holds(self, told: "Told") -> bool:
        """Whether it stands for a row."""
        return (
            self.backend == told.backend
            and told.model.rpartition("/")[2].casefold().startswith(self.models)
            and (not self.systems or told.system in self.systems)
            and self.weights in ("", told.weights)
            and (not self.lengths or told.lengths in self.lengths)
            and (not self.versions or told.version in self.versions)
            and (not self.until or (not told.version and "" < told.measured_on <= self.until))
            and told.clients >= self.clients_from
            and told.tp < self.tp_below
            and (not self.pools or self.pools_for(told) is not None)
        )


class Recipes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All recipes, and the nominal lengths that they were run with."""

    lengths: tuple[Lengths, ...]
    recipes: tuple[Recipe, ...]

    def of(self, told: "Told") -> Recipe | None:
        """The first that stands for a row; None for a row of another origin."""
        if told.lengths not in self.lengths:
            return None
        return next((each for each in self.recipes if each.holds(told)), None)


class Told(msgspec.Struct, frozen=True):
    """What of a row decides on its recipe."""

    backend: str
    model: str
    system: str
    weights: str
    lengths: Lengths
    version: str
    measured_on: str
    clients: int
    tp: int
    prefills: int = 0
    """Prefill workers of a disaggregated run."""
    decodes: int = 0
    """Its decode workers."""
    decode_gpus: int = 0
    """GPUs of one of them."""


@cache
def recipes() -> tuple[Recipes, ...]:
    """The recipes that are shipped, by file."""
    import yaml

    texts = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in FILES]
    return tuple(msgspec.convert(yaml.safe_load(text), Recipes) for text in texts)


def recipe_of(told: Told) -> Recipe | None:
    """The first recipe of any file that stands for a row."""
    return next((found for each in recipes() if (found := each.of(told)) is not None), None)


def launch_of(recipe: Recipe | None, pools: Pools | None, told: Told) -> Launch:
    """The launch that a recipe states.

    Lengths are drawn wherever there is one, and in other dated runs of the benchmark's lengths.
    """
    if recipe is None:
        public = any(told.lengths in each.lengths for each in recipes())
        return Launch(drawn=public and bool(told.measured_on))
    limit = {} if pools is None else {"decode_batch_limit": float(pools.batch)}
    return msgspec.convert({"drawn": True, **limit, **recipe.launch}, Launch)


def remark_of(recipe: Recipe | None, told: Sequence[Layout], run: Sequence[Layout]) -> str:
    """What a prediction says of layouts that are not those of the row; empty where they are."""
    if recipe is None or list(told) == list(run):
        return ""
    return f"run as {' and '.join(map(str, run))}: recipe {recipe.source}"


def layouts_of(recipe: Recipe | None, pools: Pools | None, told: Sequence[Layout]) -> list[Layout]:
    """The layouts that were run, one a worker, where rows record others."""
    if recipe is None:
        return list(told)
    if pools is not None:
        prefill, _ = told
        return [Layout(**recipe.prefill) if recipe.prefill else prefill, pools.decode]
    return [by_data(each) for each in told] if recipe.attention_dp and len(told) == 1 else list(told)


def by_data(layout: Layout) -> Layout:
    """The same GPUs with attention split by data and whole experts."""
    return Layout(pp=layout.pp, dp=layout.tp * layout.dp, moe_ep=layout.tp * layout.dp)
