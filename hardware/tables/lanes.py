"""Which attention kernel's measurements ("lane") answer for a key that several kernels were measured under.

As in aiconfigurator-core 0.12.0: the serving framework's default kernel of that GPU generation
(attention_lane_defaults.yaml), then the lanes of the requested version, then those of the other sources, each
by how many keys and points they cover. Without a default known for the version the order in which the files
name the lanes decides.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from aicfg.hardware.tables.rows import Group
from aicfg.hardware.tables.source import read_yaml

_KNOWN = ("fa3", "fla", "flashinfer", "triton", "trtllm_mha")


def lane_order(
    root: Path, system: str, backend: str, version: str, groups: Sequence[Group], seen: list[str]
) -> list[str]:
    """All lanes of `groups`, the one to prefer first.

    Parameters
    ----------
    groups : of one attention family; their source 0 is the requested version's file.
    seen : the lanes as the files name them first.
    """
    known, default = _framework_default(root, system, backend, version)
    if not known:
        return seen
    pinned = [default] if default and default != "default" else []
    own = _by_coverage(groups, (0,))
    everything = _by_coverage(groups, None)
    return list(dict.fromkeys([*pinned, *own, *everything]))


def _by_coverage(groups: Iterable[Group], sources: tuple[int, ...] | None) -> list[str]:
    keys: Counter[str] = Counter()
    points: Counter[str] = Counter()
    for group in groups:
        count = sum(1 for s in group.source if sources is None or s in sources)
        keys[group.lane] += bool(count)
        points[group.lane] += count
    lanes = [lane for lane in keys if keys[lane]]
    return sorted(lanes, key=lambda lane: (lane not in _KNOWN, -keys[lane], -points[lane], lane))


def _framework_default(root: Path, system: str, backend: str, version: str) -> tuple[bool, str]:
    """Whether the framework's default is on record for this GPU generation, and its lane."""
    path = root / "attention_lane_defaults.yaml"
    by_version = read_yaml(path).get(backend, {}) if path.exists() else {}
    upto = [v for v in by_version if _numbers(v) <= _numbers(version)]
    sm = read_yaml(root / f"{system}.yaml")["gpu"].get("sm_version")
    if not upto:
        return False, ""
    lanes = by_version[max(upto, key=_numbers)]
    return sm in lanes, lanes.get(sm, "")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"(?:^|\.)(\d+)", version))
