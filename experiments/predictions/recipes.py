"""How the server of a measured row was launched: what the public benchmark's recipe says, and the row itself.

Tables of measurements record a layout and a load, not the flags that make prompts wait. ``recipes.yaml`` has
those of the benchmark that most public measurements come from, with their sources.
"""

from functools import cache
from pathlib import Path

import msgspec

from aicfg.hardware.launch import Launch
from aicfg.model_specs.layout import Layout

Lengths = tuple[int, int]


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One launch script, and the rows that it stands for; what is not given is not asked."""

    backend: str
    model: str
    """Beginning of the model's name, without its organisation, in lower case."""
    launch: dict[str, float | bool | str]
    source: str
    systems: tuple[str, ...] = ()
    weights: str = ""
    """Format of the dense products."""
    lengths: tuple[Lengths, ...] = ()
    versions: tuple[str, ...] | None = None
    """Of the engine, as recorded; empty where none was."""
    clients_from: int = 0
    tp_below: int = 1 << 30
    attention_dp: bool = False
    """Whether attention was split by data, although the rows record tp alone."""

    def holds(self, told: "Told") -> bool:
        """Whether it stands for a row."""
        return (
            self.backend == told.backend
            and told.model.rpartition("/")[2].casefold().startswith(self.model)
            and (not self.systems or told.system in self.systems)
            and self.weights in ("", told.weights)
            and (not self.lengths or told.lengths in self.lengths)
            and (self.versions is None or told.version in self.versions)
            and told.clients >= self.clients_from
            and told.tp < self.tp_below
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
    clients: int
    tp: int


@cache
def recipes() -> Recipes:
    """The recipes that are shipped."""
    import yaml

    text = Path(__file__).with_name("recipes.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Recipes)


def launch_of(recipe: Recipe | None) -> Launch:
    """The launch that a recipe states; lengths are drawn wherever there is one."""
    if recipe is None:
        return Launch()
    return msgspec.convert({"drawn": True, **recipe.launch}, Launch)


def by_data(layout: Layout) -> Layout:
    """The same GPUs with attention split by data and whole experts."""
    return Layout(pp=layout.pp, dp=layout.tp * layout.dp, moe_ep=layout.tp * layout.dp)
