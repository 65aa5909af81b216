"""AIConfigurator's functions for one given configuration: ``cli_estimate``, ``cli_generate``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aicfg.experiments.ask.schema import DEFAULT_PROFILE
from aicfg.experiments.peer.answers.naive import naive, solved
from aicfg.experiments.peer.api import _requests_only, _settings
from aicfg.experiments.peer.requests.keys import COMPONENTS
from aicfg.experiments.predictions.estimate import Estimate, PoolEstimate, Worker, estimate
from aicfg.model_specs.errors import InputError, nearest

_ROLES = {
    "agg": ("agg",),
    "disagg": ("prefill", "decode"),
    "static": ("prefill", "decode"),
    "static_ctx": ("prefill",),
    "static_gen": ("decode",),
}
_SIZES = {
    "tp_size": "tp",
    "pp_size": "pp",
    "attention_dp_size": "dp",
    "moe_tp_size": "moe_tp",
    "moe_ep_size": "moe_ep",
    "batch_size": "batch",
    "num_workers": "workers",
}
"""Parameters of a worker -> fields of ``Worker``."""
_OTHERS = ("prefix", "nextn", "nextn_accepted", "free_gpu_memory_fraction", "systems_paths")
_NO_PART = (
    *(
        "transfer_policy",
        "image_height",
        "image_width",
        "num_images",
        "enable_encoder_dp",
        "decode_system_name",
    ),
    *("prefill_free_gpu_memory_fraction", "decode_free_gpu_memory_fraction", "max_seq_len"),
    *("prefill_max_seq_len", "decode_max_seq_len", "engine_step_backend", "forward_model"),
    *("attention_backend", "stride", "n_a_nodes", "n_f_nodes", "a_tp_size", "a_batch_size", "f_moe_ep_size"),
    *("num_microbatches", "pipeline_model", "comm_overhead_factor", "afd_phase", "afd_combined_with_pd"),
    "afd_boundary_on_attn",
)
"""Parameters that are accepted and have no part in the model."""


@dataclass(frozen=True)
class EstimateResult:
    """What one configuration does."""

    ttft: float
    tpot: float
    power_w: float
    isl: int
    osl: int
    batch_size: int
    ctx_tokens: int
    tp_size: int
    pp_size: int
    model_path: str
    system_name: str
    backend_name: str
    backend_version: str
    raw: dict[str, Any]
    """The whole estimate as ``aicfg estimate --json`` prints it."""
    mode: str = "agg"
    per_ops_data: dict[str, Any] = field(default_factory=dict)
    """Milliseconds of each operation, by step."""
    per_ops_source: dict[str, Any] = field(default_factory=dict)
    """What each operation's time rests on, as shares, by step."""
    kv_cache_warning: str | None = None

    @property
    def request_latency(self) -> float:
        """A whole request, ms."""
        return self.ttft + self.tpot * (self.osl - 1)

    @property
    def tokens_per_second(self) -> float:
        """Output tokens/s of all workers."""
        return float(self.raw["tokens_per_s"] or 0.0)

    @property
    def tokens_per_second_per_gpu(self) -> float:
        """Of each of their GPUs."""
        return self.tokens_per_second / self.num_total_gpus

    @property
    def tokens_per_second_per_user(self) -> float:
        """Of one request."""
        return 1000.0 / self.tpot if self.tpot else 0.0

    @property
    def concurrency(self) -> float:
        """Requests in flight."""
        return float(self.raw["concurrency"])

    @property
    def seq_per_second(self) -> float:
        """Requests/s."""
        return float(self.raw["requests_per_s"])

    @property
    def num_total_gpus(self) -> int:
        """GPUs of all workers."""
        return int(self.raw["gpus_used"])

    @property
    def memory(self) -> float:
        """GiB of one GPU, of the fullest worker."""
        return max(_used(each["pool"]["memory_gib"]) for each in self.raw["pools"])


def _used(memory: Mapping[str, float]) -> float:
    return sum(value for name, value in memory.items() if name != "limit")


def cli_estimate(
    model_path: str,
    system_name: str,
    *,
    mode: str = "agg",
    backend_name: str = "trtllm",
    backend_version: str | None = None,
    database_mode: str = "SILICON",
    isl: int = 1024,
    osl: int = 1024,
    batch_size: int = 128,
    ctx_tokens: int | None = None,
    profile: str | None = None,
    **more: Any,
) -> EstimateResult:
    """What one configuration does: degrees, batches and workers are given, nothing is searched.

    Parameters
    ----------
    more
        ``tp_size``, ``pp_size``, ``attention_dp_size``, ``moe_tp_size``, ``moe_ep_size``, each also with
        ``prefill_`` or ``decode_`` before it, as ``batch_size`` and ``num_workers``; ``*_quant_mode``,
        ``prefix``, ``nextn``, ``nextn_accepted``, ``free_gpu_memory_fraction``, ``systems_paths``.

    Raises
    ------
    RequestError
        For anything wrong with what is asked.
    """
    with _requests_only():
        roles = _roles(mode)
        _refuse_unknown(more)
        experiment = {
            "model": model_path,
            "workload": {"isl": isl, "osl": osl, "prefix": more.get("prefix", 0)},
            "fleet": {"system": system_name, "gpus": 1},
            "serving": _serving(backend_name, backend_version, database_mode, more),
            "profile": profile or DEFAULT_PROFILE,
        }
        shared = {**more, "batch_size": batch_size}
        workers = [_worker(role, mode, shared, ctx_tokens) for role in roles]
        return _result(estimate(experiment, *workers), mode, batch_size, ctx_tokens or isl)


def _roles(mode: str) -> tuple[Any, ...]:
    if mode not in _ROLES:
        raise InputError(f"mode: got {mode!r}; expected one of {', '.join(_ROLES)}{nearest(mode, _ROLES)}")
    return _ROLES[mode]


def _refuse_unknown(more: Mapping[str, Any]) -> None:
    sides = [f"{role}_{name}" for role in ("prefill", "decode") for name in _SIZES]
    known = [*_SIZES, *sides, *_OTHERS, *_NO_PART, *(f"{name}_quant_mode" for name in COMPONENTS)]
    for name in more:
        if name not in known:
            raise InputError(f"cli_estimate: unknown parameter {name!r}{nearest(name, known)}")


def _serving(
    backend: str, version: str | None, database_mode: str, more: Mapping[str, Any]
) -> dict[str, Any]:
    serving: dict[str, Any] = {"backend": backend, "data_mode": database_mode.lower()}
    quant = {name: more[f"{name}_quant_mode"] for name in COMPONENTS if more.get(f"{name}_quant_mode")}
    paths = more.get("systems_paths")
    serving |= {"version": version} if version not in (None, "current") else {}
    serving |= {"quant": quant} if quant else {}
    serving |= {"systems_paths": paths.split(",") if isinstance(paths, str) else list(paths)} if paths else {}
    if more.get("nextn"):
        serving["speculative"] = {"nextn": more["nextn"], "accepted": more.get("nextn_accepted")}
    if more.get("free_gpu_memory_fraction"):
        serving["memory_fraction"] = more["free_gpu_memory_fraction"]
    return serving


def _worker(role: Any, mode: str, given: Mapping[str, Any], ctx_tokens: int | None) -> Worker:
    values: dict[str, Any] = {}
    for name, ours in _SIZES.items():
        shared = None if mode == "disagg" and name == "batch_size" else given.get(name)
        own = given.get(f"{role}_{name}") if role != "agg" else None
        value = own if own is not None else shared
        if value is not None:
            values[ours] = value
    return Worker(role=role, chunk_tokens=ctx_tokens if role == "agg" else None, **values)


def _result(found: Estimate, mode: str, batch_size: int, ctx_tokens: int) -> EstimateResult:
    import msgspec

    pools = [each.pool for each in found.pools]
    full = [each.pool.role for each in found.pools if not each.fits]
    warning = f"memory of {' and '.join(full)} workers is not enough for this batch" if full else None
    return EstimateResult(
        ttft=found.ttft_ms or 0.0,
        tpot=found.tpot_ms or 0.0,
        power_w=0.0,
        isl=found.inputs["workload"]["isl"],
        osl=found.inputs["workload"]["osl"],
        batch_size=batch_size,
        ctx_tokens=ctx_tokens,
        tp_size=pools[0].tp,
        pp_size=pools[0].pp,
        model_path=found.inputs["model"],
        system_name=pools[0].system,
        backend_name=pools[0].backend,
        backend_version=pools[0].backend_version,
        raw=msgspec.to_builtins(found),
        mode=mode,
        per_ops_data=_by_step(found.pools, "ms"),
        per_ops_source=_by_step(found.pools, "sources"),
        kv_cache_warning=warning,
    )


def _by_step(pools: tuple[PoolEstimate, ...], what: str) -> dict[str, Any]:
    """One figure of every operation, by step."""
    import msgspec

    return {
        f"{each.pool.role}.{step.name}": {
            part.name: msgspec.to_builtins(getattr(part, what)) for part in step.parts
        }
        for each in pools
        for step in each.steps
    }


def cli_generate(
    model_path: str,
    total_gpus: int,
    system: str,
    backend: str = "trtllm",
    output_dir: str | Path | None = None,
    backend_version: str | None = None,
    *,
    profile: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The smallest layout that holds the model, with the files that start it.

    Returns
    -------
    dict
        ``parallelism``, ``artifacts`` (texts by name), ``generator_params`` and where they are.

    Raises
    ------
    RequestError
        For anything wrong with what is asked.
    DoesNotFitError
        When the GPUs cannot hold the model; it says what would.
    """
    from aicfg.experiments.peer.commands.generate import folder_name
    from aicfg.experiments.peer.forms.handing_on import artifacts, generator_of_call, write_files

    settings, folder = _settings(profile, more.get("systems_paths")), None
    with _requests_only():
        found = naive(model_path, total_gpus, system, settings)
        plan = solved(found, backend, settings)
        generator = generator_of_call({**more, "generator_set": more.get("generator_overrides")})
        texts = artifacts(plan, generator)
        if output_dir is not None:
            folder = Path(output_dir) / folder_name(found, backend)
            write_files(plan, generator.settings(), folder, generator.target)
    fits = {"fits_in_memory": True, "required_tp": found.tp}
    return {
        "parallelism": found.parallelism,
        "artifacts": texts,
        "generator_params": {"ModelConfig": fits, "params": {"agg": found.parallelism}},
        "backend_version": backend_version or plan.pools[0].backend_version,
        "output_dir": None if folder is None else str(folder),
    }
