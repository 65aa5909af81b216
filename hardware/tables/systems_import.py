"""Writes the descriptions of GPU systems in aicfg's own schema from those of the table source."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from aicfg.hardware.tables.source import BACKENDS, default_version, has_tables, open_source, system_files
from aicfg.model_specs.errors import InputError, nearest

# Other names people use for a system; the source has no such list.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "a100_sxm": ("a100",),
    "h100_sxm": ("h100",),
    "h200_sxm": ("h200",),
    "b200_sxm": ("b200",),
    "b300_sxm": ("b300",),
    "gb200": ("gb200_sxm",),
    "gb300": ("gb300_sxm",),
    "rtx_pro_6000_server": ("rtx_pro_6000",),
}

# (our key, section of the source, key of the source, factor to our unit); all but the optional must exist.
_SCALARS = (
    ("memory_bytes", "gpu", "mem_capacity", 1),
    ("memory_bandwidth_bytes_per_s", "gpu", "mem_bw", 1),
    ("memory_efficiency", "gpu", "mem_bw_empirical_scaling_factor", 1),
    ("memory_latency_ms", "gpu", "mem_empirical_constant_latency", 1000),
    ("power_w", "gpu", "power", 1),
    ("gpus_per_node", "node", "num_gpus_per_node", 1),
    ("intra_node_bytes_per_s", "node", "intra_node_bw", 1),
    ("inter_node_bytes_per_s", "node", "inter_node_bw", 1),
    ("pcie_bytes_per_s", "node", "pcie_bw", 1),
    ("p2p_latency_ms", "node", "p2p_latency", 1000),
    ("other_memory_bytes", "misc", "other_mem", 1),
)
_OPTIONAL = (
    ("sm", "gpu", "sm_version", 1),
    ("gpus_per_rack", "node", "num_gpus_per_rack", 1),
    ("inter_rack_bytes_per_s", "node", "inter_rack_bw", 1),
    ("inter_rack_latency_ms", "node", "inter_rack_latency", 1000),
)
_DTYPES = ("bfloat16", "fp8", "int8", "fp4", "float32")


def import_systems(source: Path | None, out: Path) -> list[Path]:
    """Write one YAML file per system description of `source` into the folder `out`.

    Parameters
    ----------
    source : an unpacked ``systems/`` folder, or None for an installed aiconfigurator_core.
    out : folder, made if absent; files of the same names are replaced.

    Returns
    -------
    The files written, in alphabetical order.

    Raises
    ------
    InputError
        If `source` is no such folder or a description lacks a fact.
    """
    root = open_source(source)
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for path in system_files(root):
        facts = system_facts(path, root)
        header = (
            f"# {path.stem}: facts of one GPU and its node; bandwidths are one direction, per GPU.\n"
            f"# Source: systems/{path.name} of aiconfigurator-core (Apache-2.0), by `aicfg tables import`.\n"
        )
        target = out / path.name
        target.write_text(header + yaml.safe_dump(facts, sort_keys=False), encoding="utf-8")
        written.append(target)
    return written


def system_facts(path: Path, root: Path) -> dict[str, Any]:
    """The facts of one description of the source, in our names and units (bytes, bytes/s, ms, FLOP/s)."""
    described = yaml.safe_load(path.read_text(encoding="utf-8"))
    facts: dict[str, Any] = {"name": path.stem, "aliases": list(ALIASES.get(path.stem, ()))}
    for ours, section, theirs, factor in _SCALARS:
        facts[ours] = _scaled(_fact(described, section, theirs, path), factor)
    for ours, section, theirs, factor in _OPTIONAL:
        value = described[section].get(theirs)
        if value is not None:
            facts[ours] = _scaled(value, factor)
    gpu = described["gpu"]
    facts["flops"] = {dtype: gpu[key] for dtype in _DTYPES if (key := f"{dtype}_tc_flops") in gpu}
    facts["nccl_memory_bytes"] = dict(_fact(described, "misc", "nccl_mem", path))
    misc = described["misc"]
    facts["nccl_version"] = str(misc["nccl_version"])
    if "oneccl_version" in misc:
        facts["oneccl_version"] = str(misc["oneccl_version"])
    facts["default_versions"] = default_versions(root, path.stem)
    return facts


def source_faults(described: Any) -> Iterator[str]:
    """Facts of a description in the source's format that are missing, or that nothing is called."""
    if not isinstance(described, dict):
        yield "expected a mapping with the sections gpu, node and misc"
        return
    needed = [(section, key) for _, section, key, _ in _SCALARS] + [
        ("misc", "nccl_mem"),
        ("misc", "nccl_version"),
    ]
    optional = [(section, key) for _, section, key, _ in _OPTIONAL] + [("misc", "oneccl_version")]
    optional += [("gpu", f"{dtype}_tc_flops") for dtype in _DTYPES]
    for section in ("gpu", "node", "misc"):
        given = described.get(section)
        if not isinstance(given, dict):
            yield f"no section {section}{nearest(section, map(str, described))}"
            continue
        known = [key for part, key in (*needed, *optional) if part == section]
        for part, key in needed:
            if part == section and key not in given:
                yield f"no {section}.{key}{nearest(key, (str(name) for name in given if name not in known))}"
        for key in given:
            if key not in known:
                yield f"unknown fact {section}.{key}{nearest(str(key), known)}"


def default_versions(root: Path, system: str) -> dict[str, str]:
    """Default version of every serving engine that has tables for `system` (empty when it has none)."""
    found = {}
    for backend in BACKENDS:
        if has_tables(root, system, backend):
            found[backend] = default_version(root, system, backend)
    return found


def _fact(described: Any, section: str, key: str, path: Path) -> Any:
    try:
        return described[section][key]
    except (KeyError, TypeError):
        raise InputError(f"{path}: no {section}.{key} in this system description") from None


def _scaled(value: float, factor: int) -> float:
    # Rounded because 3e-06 s × 1000 should read 0.003 ms.
    return value if factor == 1 else float(f"{value * factor:.12g}")
