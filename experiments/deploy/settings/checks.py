"""Settings that are well-formed but that a shell, a server or a cluster would trip over."""

import re

from aicfg.experiments.deploy import names
from aicfg.experiments.deploy.settings.schema import EngineParams, Settings
from aicfg.model_specs.errors import InputError

_FLAG = re.compile(r"(--)?[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_settings(settings: Settings) -> None:
    """Refuse text that a shell, a server or a cluster would trip over. Raises ``InputError``."""
    service, k8s, llmd, bench = settings.service, settings.k8s, settings.llmd, settings.bench
    checks = [
        (names.plain_text, "ServiceConfig.served_model_name", service.served_model_name),
        (names.host, "ServiceConfig.head_node_ip", service.head_node_ip),
        (names.label, "K8sConfig.name_prefix", k8s.name_prefix),
        (names.label, "K8sConfig.k8s_namespace", k8s.k8s_namespace),
        (names.image, "K8sConfig.k8s_image", k8s.k8s_image),
        (names.image, "K8sConfig.engine_image", k8s.engine_image),
        (names.subdomain, "K8sConfig.k8s_image_pull_secret", k8s.k8s_image_pull_secret),
        (names.subdomain, "K8sConfig.hf_token_secret", k8s.hf_token_secret),
        (names.subdomain, "K8sConfig.k8s_pvc_name", k8s.k8s_pvc_name),
        (names.path, "K8sConfig.k8s_pvc_mount_path", k8s.k8s_pvc_mount_path),
        (names.path, "K8sConfig.k8s_hf_home", k8s.k8s_hf_home),
        (names.quantity, "K8sConfig.shared_memory_size", k8s.shared_memory_size),
        (names.label, "BenchConfig.name", bench.name),
        (names.image, "BenchConfig.image", bench.image),
        (names.image, "LlmdConfig.vllm_image", llmd.vllm_image),
        (names.image, "LlmdConfig.routing_proxy_image", llmd.routing_proxy_image),
        (names.quantity, "LlmdConfig.model_cache_size", llmd.model_cache_size),
        (names.path, "LlmdConfig.model_mount_path", llmd.model_mount_path),
    ]
    for check, key, value in checks:
        if value is not None:
            check(value, key)
    for name, value in k8s.extra_env.items():
        names.environment(name, "K8sConfig.extra_env")
        if any(word in name.upper() for word in ("TOKEN", "SECRET", "PASSWORD")):
            raise InputError(f"K8sConfig.extra_env: {name}: secrets are never written; use hf_token_secret")
        names.plain_text(value, f"K8sConfig.extra_env.{name}")
    for role in ("agg", "prefill", "decode"):
        _check_params(getattr(settings.params, role), f"params.{role}")


def _check_params(params: EngineParams, where: str) -> None:
    """No text of a role's settings may be read as a flag of its own."""
    for name in ("kv_cache_dtype", "quantization", "all_to_all_backend", "moe_backend", "kv_transfer"):
        value = getattr(params, name)
        if value is not None:
            names.plain_text(value, f"{where}.{name}")
    for key, given in params.extra_args.items():
        if not _FLAG.fullmatch(key):
            raise InputError(f"{where}.extra_args: got {key[:60]!r}; expected a flag, or a key with dots")
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, str):
                names.plain_text(each, f"{where}.extra_args.{key}")
