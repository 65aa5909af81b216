"""Finds a model's architecture: in the catalogue, in a local folder or file, or on the Hugging Face hub."""

import json
import os
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aicfg.model_specs.architecture import Architecture
from aicfg.model_specs.errors import InputError, nearest
from aicfg.model_specs.facts import entry_names, read_entry

_CATALOG = Path(__file__).with_name("catalog")
_CONFIG, _HF_QUANT = "config.json", "hf_quant_config.json"
_MOST_BYTES = 64 * 2**20
"""A config.json is some kilobytes; mixed precision that lists every expert's layers has reached megabytes."""

Config = Mapping[str, Any]


def load_architecture(name: str, assume_family: str | None = None) -> Architecture:
    """The architecture of a model by its name.

    Parameters
    ----------
    name
        A Hugging Face id, looked up in the catalogue (letter case is ignored) and last on the hub; or a
        folder with a ``config.json`` (and ``hf_quant_config.json``, if any); or such a file itself.
    assume_family
        How a class that no family covers is read: "llama" or "moe"; the architecture's ``source`` says so.

    Raises
    ------
    InputError
        If nothing is found, the config cannot be read, or no family covers it: one line that says what to do.
    """
    known = catalogue_config(name)
    if known is not None:
        model, config, source = known
        return Architecture.from_config(config, model, source, config.get("hf_quant_config"), assume_family)
    path = Path(name).expanduser()
    if name and _exists(path):
        return _from_path(path, name, assume_family)
    return _from_hub(name, assume_family)


def catalogue_ids() -> list[str]:
    """All ids of the catalogue, sorted."""
    return sorted(name for path in _CATALOG.glob("*.yaml") for name in entry_names(path) if "/" in name)


def catalogue_config(model: str) -> tuple[str, Config, str] | None:
    """A catalogue entry as (id as published, its config.json, its place); None if there is none."""
    organisation, slash, _ = model.partition("/")
    if not slash:
        return None
    for file in os.listdir(_CATALOG):  # noqa: PTH208 (four times faster than Path.iterdir)
        if file.casefold() == f"{organisation}.yaml".casefold():
            found = read_entry(_CATALOG / file, model)
            return None if found is None else (*found, f"catalog/{file}: {found[0]}")
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name no file system takes
        return False


def _from_path(path: Path, name: str, assume_family: str | None) -> Architecture:
    file = path / _CONFIG if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{name}: the folder has no {_CONFIG}")
    beside = file.with_name(_HF_QUANT)
    hf_quant = _read_json(beside) if beside.is_file() else None
    return Architecture.from_config(_read_json(file), name, str(file), hf_quant, assume_family)


def _read_json(file: Path) -> Config:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise InputError(f"{file}: larger than {_MOST_BYTES >> 20} MiB, this is no {_CONFIG}")
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise InputError(f"{file}: not JSON that can be read: nested too deep") from None
    except ValueError as error:
        raise InputError(f"{file}: not JSON: {error}") from None
    if not isinstance(config, dict):
        raise InputError(f"{file}: a JSON object is needed, found {type(config).__name__}")
    return config


def _from_hub(model: str, assume_family: str | None) -> Architecture:
    if model.count("/") != 1 or model.startswith((".", "/", "~")) or model.endswith((".json", "/")):
        raise InputError(f"model {model!r}: no such catalogue id, folder or file{_nearest_id(model)}")
    if find_spec("huggingface_hub") is None:
        advice = f"pass a folder with {_CONFIG} or install aicfg-solver[hub]"
        raise InputError(f"model {model!r} is not in the catalogue: {advice}{_nearest_id(model)}")
    file, beside = _download(model, _CONFIG), _download(model, _HF_QUANT)
    if file is None:
        raise InputError(f"model {model!r}: huggingface.co/{model} has no {_CONFIG}")
    hf_quant = _read_json(beside) if beside else None
    source = f"huggingface.co/{model}/{_CONFIG}"
    return Architecture.from_config(_read_json(file), model, source, hf_quant, assume_family)


def _download(model: str, file: str) -> Path | None:
    """One small file of a model on the hub; None if the model has no such file."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import EntryNotFoundError

    try:
        return Path(hf_hub_download(model, file, etag_timeout=5))
    except EntryNotFoundError:
        return None
    except Exception as error:  # the client raises many kinds, all mean the same to the user
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"model {model!r} is not in the catalogue and the hub does not give it ({reason:.120}): "
            f"pass a folder with {_CONFIG}{_nearest_id(model)}"
        ) from None


def _nearest_id(model: str) -> str:
    """Close match among the catalogue's ids; one without its organisation is compared to their last parts."""
    ids = catalogue_ids()
    if "/" in model:
        return nearest(model, ids)
    last_parts = {model_id.partition("/")[2].casefold(): model_id for model_id in ids}
    close = get_close_matches(model.casefold(), last_parts, n=1, cutoff=0.6)
    return f"; did you mean {last_parts[close[0]]!r}?" if close else ""
