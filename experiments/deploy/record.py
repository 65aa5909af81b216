"""``generator_config.yaml``: what files were made of, under the sections that AIConfigurator's users know.

It can be given again as ``--generator-config``: what the plan decides is then accepted as it stands.
"""

from typing import Any

import msgspec

from aicfg.experiments.deploy.deployment import Deployment
from aicfg.experiments.deploy.worker import WorkerType
from aicfg.experiments.deploy.yaml_text import yaml_text

FILE = "generator_config.yaml"


def record(deployment: Deployment) -> dict[str, Any]:
    """Settings and what the plan decides, as plain values; nothing that is unset."""
    plan, types = deployment.plan, deployment.types
    content = _set(msgspec.to_builtins(deployment.settings))
    sla = {key: value for key, value in plan.inputs.get("sla", {}).items() if value is not None}
    content["SlaConfig"] = {"isl": types[0].asked.isl, "osl": types[0].asked.osl, **sla}
    content["ModelConfig"] = {
        "is_moe": any(each.moe_ep * each.moe_tp > 1 for each in types),
        "nextn": types[0].asked.drafts,
        "prefix": types[0].asked.prefix,
    }
    content["NodeConfig"] = {
        "num_gpus_per_node": deployment.largest_node,
        "system_name": ", ".join(dict.fromkeys(each.system for each in types)),
    }
    content.setdefault("DynConfig", {})["mode"] = plan.mode
    content["workers"] = {each.name: _worker(each) for each in types}
    if len({each.role for each in types}) == len(types) and plan.mode in ("agg", "disagg"):
        content["WorkerConfig"] = _worker_config(types)
        own = content.get("params", {})
        params = {each.role: {**own.get(each.role, {}), **_params(each)} for each in types}
        content["params"] = {role: dict(sorted(each.items())) for role, each in params.items()}
    return dict(sorted(content.items()))


def record_text(deployment: Deployment) -> str:
    """The file's text."""
    head = f"Deployment of plan {deployment.plan.experiment!r}; read again with --generator-config."
    return yaml_text(record(deployment), head)


def _worker(worker: WorkerType) -> dict[str, Any]:
    return {
        "role": worker.role,
        "system": worker.system,
        "backend": worker.backend,
        "version": worker.version,
        "workers": worker.workers,
        "gpus_per_worker": worker.gpus,
        "nodes_per_worker": worker.nodes,
        **{name: getattr(worker, name) for name in ("tp", "pp", "dp", "cp", "moe_tp", "moe_ep")},
        "batch": worker.batch,
        "max_batch_size": worker.sequences,
        "max_num_tokens": worker.step_tokens,
        "max_seq_len": worker.max_length,
        "kv_cache": worker.kv_format,
    }


def _worker_config(types: tuple[WorkerType, ...]) -> dict[str, int]:
    counts = {f"{each.role}_workers": each.workers for each in types}
    return {**counts, **{f"{each.role}_gpus_per_worker": each.gpus for each in types}}


def _params(worker: WorkerType) -> dict[str, Any]:
    return {
        "tensor_parallel_size": worker.tp,
        "pipeline_parallel_size": worker.pp,
        "data_parallel_size": worker.dp,
        "context_parallel_size": worker.cp,
        "moe_tensor_parallel_size": worker.moe_tp,
        "moe_expert_parallel_size": worker.moe_ep,
        "gpus_per_worker": worker.gpus,
        "max_batch_size": worker.sequences,
        "max_num_tokens": worker.step_tokens,
        "max_seq_len": worker.max_length,
    }


def _set(value: Any) -> Any:
    """Mappings without what is unset or empty."""
    if not isinstance(value, dict):
        return value
    kept = {key: _set(each) for key, each in value.items()}
    return {key: each for key, each in kept.items() if each is not None and each != {}}
