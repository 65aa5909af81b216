"""The keys of AIConfigurator's flat (V2) experiment; the nested form and the flags are put into them too.

Each key says what kind of value it takes and what becomes of it: it is part of the experiment that is
solved, it concerns what is shown, it is handed on to the deployment files, it stands for something that
aicfg does not model (which the report then says), or it selects an implementation of AIConfigurator's own
and means nothing here.
"""

from dataclasses import dataclass
from typing import Any, Literal

from aicfg.experiments.peer.requests import kinds
from aicfg.experiments.peer.requests.kinds import Kind

Use = Literal["solved", "shown", "deployed", "not modelled", "ignored"]

COMPONENTS = ("gemm", "moe", "kvcache", "fmha", "comm")
DEGREES = {
    "num_gpu": "gpus_per_worker",
    "tp": "tp",
    "pp": "pp",
    "dp": "dp",
    "moe_tp": "moe_tp",
    "moe_ep": "moe_ep",
    "cp": "cp",
}
"""Lists of a worker's search in this vocabulary -> in the schema of an experiment."""
ROLES = ("agg", "prefill", "decode")

BACKENDS = ("trtllm", "sglang", "vllm")
DATABASE_MODES = ("SILICON", "HYBRID", "EMPIRICAL", "SOL")


@dataclass(frozen=True)
class Key:
    """One key, or one name that keys of several roles share."""

    name: str
    kind: Kind
    default: Any = None
    use: Use = "solved"


_WORKER = (
    Key("model_path", kinds.TEXT),
    Key("system_name", kinds.TEXT),
    Key("backend_name", kinds.one_of(*BACKENDS, "auto", "any"), "trtllm"),
    Key("backend_version", kinds.TEXT),
    *(Key(f"{component}_quant_mode", kinds.quant(component)) for component in COMPONENTS),
    Key("enable_wideep", kinds.SWITCH, False, "ignored"),
    Key("enable_eplb", kinds.SWITCH, False, "not modelled"),
    Key("enable_chunked_prefill", kinds.SWITCH, False),
)
WORKER_KEYS = {key.name: key for key in _WORKER}
"""Keys that each role may set for itself, under its prefix."""

_SHARED = (
    Key("serving_mode", kinds.one_of("agg", "disagg", "afd")),
    Key("total_gpus", kinds.GPUS),
    Key("isl", kinds.TOKENS, 4000),
    Key("osl", kinds.OUTPUT, 1000),
    Key("prefix", kinds.PREFIX, 0),
    Key("ttft", kinds.BOUND, 1000.0),
    Key("tpot", kinds.BOUND, 40.0),
    Key("request_latency", kinds.BOUND),
    Key("database_mode", kinds.one_of(*DATABASE_MODES), "SILICON"),
    Key("free_gpu_memory_fraction", kinds.FRACTION),
    Key("nextn", kinds.DRAFTS, 0),
    Key("nextn_accepted", kinds.ACCEPTED),
    Key("moe_backend", kinds.one_of("deepep_moe", "megamoe")),
    Key("pareto_sweep", kinds.SWITCH, True, "shown"),
    Key("strict_sla", kinds.SWITCH, False, "shown"),
    Key("profile", kinds.TEXT),
    Key("max_seq_len", kinds.TOKENS, None, "deployed"),
    Key(
        "attention_backend",
        kinds.one_of("fa3", "triton", "trtllm_mha", "flashinfer", "fla", "default"),
        None,
        "deployed",
    ),
    Key("transfer_policy", kinds.TEXT, None, "not modelled"),
    Key("wideep_num_slots", kinds.COUNT, None, "not modelled"),
    Key("engine_step_backend", kinds.TEXT, None, "ignored"),
    Key("forward_model", kinds.TEXT, None, "ignored"),
)
_REPLICA = (
    Key("num_gpu_per_replica", kinds.REPLICAS),
    Key("max_gpu_per_replica", kinds.COUNT),
    Key("max_prefill_workers", kinds.SIZE),
    Key("max_decode_workers", kinds.SIZE),
    Key("prefill_max_batch_size", kinds.SIZE),
    Key("decode_max_batch_size", kinds.SIZE),
    Key("prefill_latency_correction", kinds.FACTOR),
    Key("decode_latency_correction", kinds.FACTOR),
    Key("rate_match_prefill_degradation", kinds.FRACTION),
    Key("rate_match_decode_degradation", kinds.FRACTION),
    Key("autoscale_ttft_correction_factor", kinds.FACTOR),
)
_VISION = (
    Key("image_height", kinds.COUNT, 0, "not modelled"),
    Key("image_width", kinds.COUNT, 0, "not modelled"),
    Key("num_images_per_request", kinds.COUNT, 1, "not modelled"),
    Key("enable_encoder_dp", kinds.SWITCH, True, "not modelled"),
    Key("enable_epd", kinds.SWITCH, False, "not modelled"),
    Key("encoder_tp_candidates", kinds.SIZES, None, "not modelled"),
    Key("encoder_batch_candidates", kinds.SIZES, None, "not modelled"),
    Key("max_encoder_workers", kinds.COUNT, None, "not modelled"),
    Key("encoder_latency_correction", kinds.FACTOR, 1.0, "not modelled"),
    Key("encoder_system_name", kinds.TEXT, None, "not modelled"),
    Key("rate_match_encoder_degradation", kinds.FRACTION, 0.9, "not modelled"),
)
SHARED_KEYS = {key.name: key for key in (*_SHARED, *_VISION)}
PAIR_KEYS = {key.name: key for key in _REPLICA}
"""Keys of a prefill and a decode pool together."""

LIST_KEYS = {
    f"{role}_{degree}_candidates": Key(f"{role}_{degree}_candidates", kinds.SIZES)
    for role in ROLES
    for degree in DEGREES
}
ROLE_KEYS = {
    f"{role}_{key.name}": Key(f"{role}_{key.name}", key.kind, None, key.use)
    for role in ("prefill", "decode")
    for key in _WORKER
    if (role, key.name) != ("decode", "enable_chunked_prefill")
}
AFD_PREFIX = "afd_"
"""Keys of AIConfigurator's attention/FFN split: any of them is accepted, none is modelled."""

KEYS = SHARED_KEYS | WORKER_KEYS | PAIR_KEYS | LIST_KEYS | ROLE_KEYS


def keys_of(serving_mode: str) -> dict[str, Key]:
    """The keys that an experiment of one mode may have."""
    if serving_mode == "disagg":
        lists = {name: key for name, key in LIST_KEYS.items() if not name.startswith("agg_")}
        return SHARED_KEYS | WORKER_KEYS | PAIR_KEYS | lists | ROLE_KEYS
    lists = {name: key for name, key in LIST_KEYS.items() if name.startswith("agg_")}
    return SHARED_KEYS | WORKER_KEYS | lists
