"""Names that every system accepts, and the refusal of text that none should."""

import re

from aicfg.model_specs.errors import InputError

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""DNS-1123 label."""
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?")
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUANTITY = re.compile(r"[1-9][0-9]*([KMGTP]i?)?")
_PATH = re.compile(r"/[^\x00-\x1f\x7f:]{0,1023}")

MAX_DEPLOYMENT = 28
"""Letters of a deployment's name: operators add the component's name, hashes and indices to it, up to 63."""

_NOTHING = frozenset({"none", "null", "nan", "nil", "undefined", "~"})


def slug(text: str, most: int = MAX_DEPLOYMENT) -> str:
    """``text`` as a DNS-1123 label of at most ``most`` letters: ``Qwen/Qwen3-32B`` becomes ``qwen3-32b``."""
    last = text.rstrip("/").rsplit("/", 1)[-1] or text
    name = re.sub(r"[^a-z0-9]+", "-", last.casefold()).strip("-")[:most].strip("-")
    return name or "model"


def plain_text(value: str, key: str) -> str:
    """``value`` if it can be one word of a command: no control characters, not empty, not read as a flag."""
    if not value.strip() or any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
        raise InputError(f"{key}: got {value[:60]!r}; expected text without control characters")
    if value.startswith("-"):
        raise InputError(f"{key}: got {value[:60]!r}; text that begins with '-' would be read as a flag")
    if value.casefold() in _NOTHING:
        raise InputError(f"{key}: got {value!r}; leave the key out to have none")
    return value


def label(value: str, key: str) -> str:
    """``value`` if it is a DNS-1123 label."""
    return _matching(LABEL, value, key, "up to 63 lowercase letters, digits and '-'")


def subdomain(value: str, key: str) -> str:
    """``value`` if it names a Kubernetes object, such as a secret."""
    return _matching(_SUBDOMAIN, value, key, "lowercase letters, digits, '-' and '.'")


def image(value: str, key: str) -> str:
    """``value`` if it names a container image."""
    return _matching(_IMAGE, value, key, "an image, such as registry/name:tag")


def host(value: str, key: str) -> str:
    """``value`` if it is a host name or an address."""
    return _matching(_HOST, value, key, "a host name or an address")


def environment(value: str, key: str) -> str:
    """``value`` if it names an environment variable."""
    return _matching(_ENVIRONMENT, value, key, "a variable's name: letters, digits and '_'")


def quantity(value: str, key: str) -> str:
    """``value`` if it is an amount of memory."""
    return _matching(_QUANTITY, value, key, "an amount of memory, such as 80Gi")


def path(value: str, key: str) -> str:
    """``value`` if it is an absolute path."""
    return _matching(_PATH, value, key, "an absolute path")


def _matching(pattern: re.Pattern[str], value: str, key: str, expected: str) -> str:
    if not pattern.fullmatch(value) or value.casefold() in _NOTHING:
        raise InputError(f"{key}: got {value[:60]!r}; expected {expected}")
    return value
