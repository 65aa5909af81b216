"""What may be written for short in an experiment, as JSON schema (``checking`` writes it out)."""

from typing import Any

_PERCENTILE = {
    "title": "At most, of a percentile of the requests, such as {p99: 2000}",
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "patternProperties": {r"^p[0-9]{2}(\.[0-9]+)?$": {"type": "number", "exclusiveMinimum": 0}},
}
SHORT_FORMS: dict[tuple[str, str], dict[str, Any]] = {
    ("Serving", "backend"): {
        "title": "Serving engines to choose from",
        "type": "array",
        "minItems": 1,
        "maxItems": 3,
        "items": {"enum": ["sglang", "trtllm", "vllm"]},
    },
    ("Serving", "quant"): {"title": "Whatever checkpoint, engine and tables allow", "const": "auto"},
    ("Sla", "ttft_ms"): _PERCENTILE,
    ("Sla", "tpot_ms"): _PERCENTILE,
    ("Experiment", "spare"): {"title": "Workers that may be lost", "type": "integer", "minimum": 0},
}
"""By part and key: what stands there for short, beside its full form."""


def with_short_forms(parts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The parts of the schema with each key's short form as an alternative."""
    wider = {name: {**part, "properties": dict(part["properties"])} for name, part in parts.items()}
    for (part, key), form in SHORT_FORMS.items():
        properties = wider[part]["properties"]
        kept = {name: properties[key][name] for name in ("title", "default") if name in properties[key]}
        properties[key] = {**kept, "anyOf": [properties[key], form]}
    pool = wider["FleetPool"]  # its GPUs are those of its offers, where it has such
    pool["required"] = [key for key in pool["required"] if key != "gpus"]
    pool["anyOf"] = [{"required": ["gpus"]}, {"required": ["purchase"]}]
    return wider
