"""``--generator-help``: every key with what it accepts, its default and what it is."""

from collections.abc import Iterator

import msgspec

from aicfg.experiments.deploy.dialect import ENGINES, versions
from aicfg.experiments.deploy.settings.reading import accepted
from aicfg.experiments.deploy.settings.schema import Section, Settings

BACKEND_KEYS = ("params", "generated_config_version")
SECTIONS = ("deploy", "backend")


def help_text(section: str | None) -> str:
    """The keys of the settings: of the deployment, of the backends' servers, or all."""
    lines = ["Set with --generator-set KEY=VALUE or under the same keys in a --generator-config file.", ""]
    lines += [line for line in _lines(Settings, ()) if section is None or _belongs(line, section)]
    if section != "deploy":
        lines += ["", "Versions (--generated_config_version):"]
        for engine in ENGINES:
            known = ", ".join(str(data["version"]) for data in versions(engine).values())
            lines.append(f"  {engine}: {known}")
    return "\n".join(lines)


def _belongs(line: str, section: str) -> bool:
    return line.startswith(BACKEND_KEYS) == (section == "backend")


def _lines(kind: type[Section], path: tuple[str, ...]) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, Section):
            yield from _lines(field.type, (*path, field.encode_name))
            continue
        title = next(meta.title for meta in field.type.__metadata__ if meta.title)
        default = (
            ""
            if field.default is None or field.default is msgspec.NODEFAULT
            else f"; default {field.default}"
        )
        yield f"{'.'.join((*path, field.encode_name))}: {title} ({accepted(field.type)}{default})"
