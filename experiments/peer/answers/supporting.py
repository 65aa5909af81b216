"""Whether a model can be served, aggregated and disaggregated, and what is nearest if not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from aicfg.experiments.ask.loader import load
from aicfg.experiments.ask.schema import Experiment
from aicfg.experiments.ask.support import Verdict, engines_of, verdicts
from aicfg.experiments.peer.requests.keys import BACKENDS
from aicfg.experiments.peer.requests.translate import Settings
from aicfg.experiments.solving.prepare import prepare
from aicfg.hardware.curve import Curve, Role
from aicfg.hardware.curves import ServingModel
from aicfg.hardware.modes import DataMode
from aicfg.hardware.places import SHIPPED, Places
from aicfg.hardware.profile import Profile, load_profile
from aicfg.hardware.search import SearchSpace, Skipped, curves
from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import AicfgError, InputError, nearest
from aicfg.model_specs.resolve import load_architecture

SIZES = (1, 2, 4, 8, 16, 32, 64)
_REQUEST = (4000, 100)


@dataclass(frozen=True)
class Support:
    """The verdict; a pair of truths to whoever unpacks or indexes it."""

    model: str
    architecture: str
    system: str
    backend: str
    version: str | None
    agg: bool
    disagg: bool
    reason: str | None = None
    """Why not, where one of them is a no."""
    closest: str | None = None
    """The nearest choice that is supported."""
    layouts: tuple[str, ...] = ()
    """The smallest worker of each role that was priced."""
    exact_match: bool = True

    def __iter__(self) -> Iterator[bool]:
        return iter((self.agg, self.disagg))

    def __getitem__(self, at: int) -> bool:
        return (self.agg, self.disagg)[at]

    def __len__(self) -> int:
        return 2

    @property
    def agg_supported(self) -> bool:
        """Aggregated serving."""
        return self.agg

    @property
    def disagg_supported(self) -> bool:
        """Disaggregated serving."""
        return self.disagg

    agg_total_count = disagg_total_count = 1
    """Configurations that were tried for the verdict."""

    @property
    def agg_pass_count(self) -> int:
        """Of these, those that can be served aggregated."""
        return int(self.agg)

    @property
    def disagg_pass_count(self) -> int:
        """Of these, those that can be served disaggregated."""
        return int(self.disagg)


def support(
    model: str,
    system: str,
    backend: str,
    settings: Settings,
    version: str | None = None,
    *,
    near: bool = True,
) -> Support:
    """Price the smallest workers of every role that hold the model.

    Raises
    ------
    InputError
        For a name that does not exist.
    """
    if backend not in BACKENDS:
        raise InputError(
            f"backend: got {backend!r}; expected one of {', '.join(BACKENDS)}{nearest(backend, BACKENDS)}"
        )
    places, profile = Places(settings.systems_paths or (SHIPPED,)), load_profile(settings.profile)
    architecture = load_architecture(model, settings.assume_family)
    system = places.load_system(system).name
    (verdict,) = verdicts(
        (model,), engines_of(places, (system,), (backend,), DataMode.SILICON), DataMode.SILICON, profile
    )
    if version not in (None, "current") and version != verdict.version:
        there = f" (there is {verdict.version})" if verdict.version else ""
        raise InputError(f"backend-version: no tables of {backend} {version} on {system}{there}")
    found = Support(
        model,
        architecture.hf_class,
        system,
        backend,
        verdict.version,
        verdict.supported,
        False,
        verdict.reason,
    )
    if verdict.supported:
        found = _with_disagg(found, verdict, architecture, settings)
    if near and not found.agg:
        found = replace(found, closest=_closest(model, system, backend, places, profile))
    return found


def _with_disagg(found: Support, agg: Verdict, architecture: Architecture, settings: Settings) -> Support:
    """Whether some prefill and some decode worker can be priced and hand caches to one another."""
    try:
        model = prepare(_experiment(found, architecture, settings)).model
    except AicfgError as error:
        return replace(found, reason=str(error))
    first, skipped = _smallest(model, "prefill", agg.gpus or 1)
    groups = {curve.group for curve in first}
    nexts, more = _smallest(model, "decode", agg.gpus or 1, groups)
    if first and nexts:
        mates = [curve for curve in first if curve.group in {each.group for each in nexts}]
        layouts = (str(agg.layout), str(mates[0].layout), str(nexts[0].layout))
        return replace(found, disagg=True, layouts=layouts)
    reasons = [each.reason for each in (*skipped, *more)]
    return replace(found, reason=reasons[0] if reasons else "no layout of both roles can be priced")


def _experiment(found: Support, architecture: Architecture, settings: Settings) -> Experiment:
    """One request of usual lengths on one worker, the model's context allowing."""
    serving: dict[str, Any] = {"backend": found.backend}
    if settings.systems_paths:
        serving["systems_paths"] = list(settings.systems_paths)
    isl = min(_REQUEST[0], architecture.max_position_embeddings - _REQUEST[1])
    plain = {
        "model": found.model,
        "workload": {"isl": isl, "osl": _REQUEST[1]},
        "fleet": {"system": found.system, "gpus": SIZES[-1]},
        "serving": serving,
        "profile": settings.profile,
    }
    (experiment,) = load(
        plain | ({"assume_family": settings.assume_family} if settings.assume_family else {})
    )
    return experiment


def _smallest(
    model: ServingModel, role: Role, least: int, groups: set[str] | None = None
) -> tuple[list[Curve], list[Skipped]]:
    """The smallest workers of a role that can be priced, of one of ``groups`` where these are given."""
    skipped: list[Skipped] = []
    for size in (size for size in SIZES if size >= least):
        found, without = curves(model, role, SearchSpace(gpus=(size,), max_batch=1), size)
        found = [each for each in found if groups is None or each.group in groups]
        skipped += without
        if found:
            return found, skipped
    return [], skipped


def _closest(model: str, system: str, backend: str, places: Places, profile: Profile) -> str | None:
    """Another engine on the same system, else the same engine on another system."""
    mode = DataMode.SILICON
    others = tuple(name for name in BACKENDS if name != backend)
    systems = tuple(name for name in places.system_names() if name != system)
    for where, engines in (((system,), others), (systems, (backend,)), (systems, others)):
        for each in verdicts((model,), engines_of(places, where, engines, mode), mode, profile):
            if each.supported:
                return f"{each.backend} on {each.system}"
    return None


def text(found: Support) -> str:
    """The verdict as AIConfigurator's users know it, with the reason of a no."""
    lines = [
        "=" * 60,
        f"  {'Model:':<17}{found.model} ({found.architecture})",
        f"  {'System:':<17}{found.system}",
        f"  {'Backend:':<17}{found.backend}",
        f"  {'Version:':<17}{found.version or 'no tables'}",
        "-" * 60,
        f"  {'Aggregated Support:':<24}{'YES' if found.agg else 'NO'}",
        f"  {'Disaggregated Support:':<24}{'YES' if found.disagg else 'NO'}",
    ]
    if found.layouts:
        names = zip(("agg", "prefill", "decode"), found.layouts, strict=True)
        lines.append(f"  {'Smallest workers:':<24}{', '.join(f'{role} {layout}' for role, layout in names)}")
    if found.reason:
        lines.append(f"  {'Reason:':<24}{found.reason}")
    if found.closest:
        lines.append(f"  {'Closest supported:':<24}{found.closest}")
    return "\n".join([*lines, "=" * 60]) + "\n"
