"""Kubernetes objects against the cluster's own schemas, and what no schema says."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from aicfg.experiments.deploy.names import LABEL

_CRD = Path(__file__).parent / "crd"
_KEPT = {
    "type",
    "enum",
    "required",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "minProperties",
    "maxProperties",
}
_NOTHING = re.compile(r"(^|[./:@=\s\"'-])None($|[./:\s\"',-])")
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD")


def missing_packages() -> tuple[str, ...]:
    """Packages without which schemas stay unchecked."""
    wanted = {"jsonschema": "jsonschema", "kubernetes_validate": "kubernetes-validate"}
    return tuple(name for module, name in wanted.items() if find_spec(module) is None)


def manifest_faults(document: Mapping[str, Any], crd: str) -> Iterator[str]:
    """All that is wrong with one object; ``crd`` is the release whose custom resources count."""
    kind = document.get("kind")
    name = (document.get("metadata") or {}).get("name")
    if not isinstance(name, str) or not LABEL.fullmatch(name):
        yield f"{kind}: metadata.name: got {name!r}; expected a DNS-1123 label"
    yield from (f"{kind}: {fault}" for fault in _schema_faults(document, crd))
    yield from (f"{kind}: {fault}" for fault in plain_faults(document, ""))


def values_faults(document: Mapping[str, Any]) -> Iterator[str]:
    """The same for llm-d's Helm values."""
    if find_spec("jsonschema") is not None:
        import jsonschema  # type: ignore[import-untyped,import-not-found,unused-ignore]

        schema = json.loads((_CRD / "llm-d-modelservice.values.schema.json").read_text(encoding="utf-8"))
        for error in jsonschema.Draft7Validator(schema).iter_errors(document):
            yield f"{'.'.join(map(str, error.absolute_path)) or 'values'}: {error.message[:200]}"
    yield from plain_faults(document, "")


def plain_faults(value: Any, where: str) -> Iterator[str]:
    """Values that mean nothing, and secrets that are written out."""
    if isinstance(value, Mapping):
        secret = isinstance(value.get("name"), str) and _SECRET.search(value["name"]) and value.get("value")
        if secret:
            yield f"{where}: {value['name']} is written out; refer to a secret"
        for key, each in value.items():
            yield from plain_faults(each, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from plain_faults(each, f"{where}[{number}]")
    elif value is None or value == "":
        yield f"{where}: is empty"
    elif isinstance(value, str) and "\n" not in value and _NOTHING.search(value):
        yield f"{where}: got {value[:60]!r}"


def _schema_faults(document: Mapping[str, Any], crd: str) -> Iterator[str]:
    key = (str(document.get("apiVersion")), str(document.get("kind")))
    custom = _custom(crd)
    if key in custom:
        if find_spec("jsonschema") is not None:
            import jsonschema  # type: ignore[import-untyped,import-not-found,unused-ignore]

            for error in jsonschema.Draft202012Validator(custom[key]).iter_errors(document):
                yield f"{'.'.join(map(str, error.absolute_path)) or 'object'}: {error.message[:200]}"
    elif key[1] in {kind for _, kind in custom}:
        yield f"no served version {key[0]}"
    elif find_spec("kubernetes_validate") is not None:
        yield from _built_in(document)


def _built_in(document: Mapping[str, Any]) -> Iterator[str]:
    import kubernetes_validate  # type: ignore[import-untyped,import-not-found,unused-ignore]

    try:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    except kubernetes_validate.ValidationError as error:
        yield str(error.message)[:200]
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"unknown kind or version: {str(error)[:120]}"


@cache
def _custom(crd: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Schemas by API version and kind."""
    schemas = {}
    for file in sorted(_CRD.glob("*.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        other_release = data.get("kind") == "DynamoGraphDeployment" and f"-{crd}." not in file.name
        if "openAPIV3Schema" not in data or other_release:
            continue
        schema = strict(data["openAPIV3Schema"])
        fixed = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
        schema["properties"] = {**schema.get("properties", {}), **fixed}
        schemas[(f"{data['group']}/{data['version']}", data["kind"])] = schema
    return schemas


def strict(schema: Any) -> dict[str, Any]:
    """A cluster's structural schema as a JSON schema that refuses unknown fields."""
    if schema.get("x-kubernetes-int-or-string"):
        pattern = {"pattern": schema["pattern"]} if "pattern" in schema else {}
        return {"type": ["integer", "string"], **pattern}
    found = {key: value for key, value in schema.items() if key in _KEPT}
    if "properties" in schema:
        found["properties"] = {name: strict(each) for name, each in schema["properties"].items()}
        open_ended = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
        if not open_ended:
            found["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found[key] = strict(schema[key])
    if schema.get("nullable") and "type" in found:
        found["type"] = [found["type"], "null"]
    return found
