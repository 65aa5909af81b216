"""A profile with some of its coefficients replaced by the experiment."""

from collections.abc import Mapping
from typing import Any

import msgspec

from aicfg.hardware.profile import Profile
from aicfg.model_specs.errors import InputError, nearest


def overridden(profile: Profile, changes: Mapping[str, Any] | None) -> Profile:
    """``profile`` with ``changes`` put over it, key by key.

    Raises
    ------
    InputError
        For a key that the profile has not, or a value of another type than its own.
    """
    if not changes:
        return profile
    merged = _merged(msgspec.to_builtins(profile), changes, ())
    try:
        return msgspec.convert(merged, Profile)
    except msgspec.ValidationError as error:
        raise InputError(str(error)) from None


def _merged(base: Any, changes: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(base, dict):
        return changes
    where = ".".join(path) or "the profile"
    if not isinstance(changes, Mapping):
        raise InputError(
            f"{where}: got {changes!r}; expected a mapping with some of {', '.join(map(str, base))}"
        )
    for key in changes:
        if key not in base or (not path and key == "name"):
            close = nearest(str(key), map(str, base))
            raise InputError(
                f"unknown key {key!r}{close}; the keys of {where} are {', '.join(map(str, base))}"
            )
    over = {key: _merged(base[key], value, (*path, str(key))) for key, value in changes.items()}
    return {**base, **over}
