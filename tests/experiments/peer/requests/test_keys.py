"""Every key of AIConfigurator's YAML, flat and nested, is accepted and does what it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from aicfg.experiments.peer.requests.keys import KEYS
from aicfg.experiments.peer.requests.nested import CONFIG, LISTS, REPLICA, TOP, TUNING
from aicfg.experiments.peer.requests.nested import WORKER as NESTED_WORKER

from ..conftest import Plans

FLAT = {
    "model_path": "Qwen/Qwen3-32B-FP8",
    "system_name": "h100_sxm",
    "backend_name": "vllm",
    "total_gpus": 8,
    "isl": 2000,
    "osl": 200,
}

AGG: dict[str, Any] = {"serving_mode": "agg", **FLAT}
DISAGG: dict[str, Any] = {"serving_mode": "disagg", **FLAT}


def _pool(found: Plans, at: int = 0) -> dict[str, Any]:
    return dict(found[0]["pools"][at])


def _rate(found: Plans) -> float:
    return float(found[0]["tokens_per_s"])


def _inputs(found: Plans) -> dict[str, Any]:
    return dict(found[0]["inputs"])


_ANSWERS: dict[str, Plans] = {}
"""Plans by the text of their experiment."""

Check = Callable[[Plans, Plans], object]
EFFECTS: dict[str, tuple[dict[str, Any], Any, Check]] = {
    "serving_mode": (AGG, "disagg", lambda new, old: (new[0]["mode"], old[0]["mode"]) == ("disagg", "agg")),
    "model_path": (AGG, "Qwen/Qwen3-8B", lambda new, old: _rate(new) > _rate(old)),
    "system_name": (AGG, "h200_sxm", lambda new, old: _pool(new)["system"] == "h200_sxm"),
    "backend_name": (AGG, "trtllm", lambda new, old: _pool(new)["backend"] == "trtllm"),
    "backend_version": (AGG, "current", lambda new, old: _rate(new) == _rate(old)),
    "total_gpus": (AGG, 16, lambda new, old: new[0]["gpus_budget"] == 16),
    "isl": (AGG, 1000, lambda new, old: _rate(new) > _rate(old)),
    "osl": (AGG, 400, lambda new, old: _rate(new) > _rate(old)),
    "prefix": (AGG, 1500, lambda new, old: _rate(new) > _rate(old)),
    "ttft": (AGG, 150, lambda new, old: new[0]["ttft_ms"] <= 150 < old[0]["ttft_ms"]),
    "tpot": (AGG, 20, lambda new, old: new[0]["tpot_ms"] <= 20 < old[0]["tpot_ms"]),
    "request_latency": (AGG, 4000, lambda new, old: new[0]["request_latency_ms"] <= 4000),
    "database_mode": (AGG, "SOL", lambda new, old: _rate(new) > 1.2 * _rate(old)),
    "free_gpu_memory_fraction": (
        AGG,
        0.5,
        lambda new, old: _pool(new)["memory_gib"]["limit"] < _pool(old)["memory_gib"]["limit"],
    ),
    "profile": (AGG, "aiconfigurator-0.12", lambda new, old: new[0]["profile"] == "aiconfigurator-0.12"),
    "gemm_quant_mode": (AGG, "bfloat16", lambda new, old: _pool(new)["quant"]["gemm"] == "bfloat16"),
    "moe_quant_mode": (
        AGG,
        "bfloat16",
        lambda new, old: _inputs(new)["serving"]["quant"]["moe"] == "bfloat16",
    ),
    "kvcache_quant_mode": (AGG, "bfloat16", lambda new, old: _pool(new)["quant"]["kvcache"] == "bfloat16"),
    "fmha_quant_mode": (AGG, "bfloat16", lambda new, old: _pool(new)["quant"]["fmha"] == "bfloat16"),
    "comm_quant_mode": (AGG, "half", lambda new, old: _pool(new)["quant"]["comm"] == "half"),
    "agg_num_gpu_candidates": (AGG, [4], lambda new, old: _pool(new)["gpus_per_worker"] == 4),
    "agg_tp_candidates": (AGG, [8], lambda new, old: _pool(new)["tp"] == 8),
    "agg_pp_candidates": (AGG, [2], lambda new, old: _pool(new)["pp"] == 2),
    "prefill_num_gpu_candidates": (DISAGG, [4], lambda new, old: _pool(new)["gpus_per_worker"] == 4),
    "prefill_tp_candidates": (DISAGG, [4], lambda new, old: _pool(new)["tp"] == 4),
    "prefill_pp_candidates": (DISAGG, [4], lambda new, old: _pool(new)["pp"] == 4),
    "decode_num_gpu_candidates": (DISAGG, [4], lambda new, old: _pool(new, 1)["gpus_per_worker"] == 4),
    "decode_tp_candidates": (DISAGG, [4], lambda new, old: _pool(new, 1)["tp"] == 4),
    "decode_pp_candidates": (DISAGG, [4], lambda new, old: _pool(new, 1)["pp"] == 4),
    "prefill_max_batch_size": (DISAGG, 1, lambda new, old: _pool(new)["batch"] == 1),
    "decode_max_batch_size": (
        DISAGG,
        3,
        lambda new, old: _pool(new, 1)["batch"] <= 3 < _pool(old, 1)["batch"],
    ),
    "prefill_latency_correction": (DISAGG, 2.0, lambda new, old: _rate(new) < _rate(old)),
    "decode_latency_correction": (DISAGG, 2.0, lambda new, old: _rate(new) < _rate(old)),
    "rate_match_prefill_degradation": (DISAGG, 0.4, lambda new, old: _rate(new) < _rate(old)),
    "rate_match_decode_degradation": (DISAGG, 0.4, lambda new, old: _rate(new) < _rate(old)),
    "autoscale_ttft_correction_factor": (DISAGG, 1.0, lambda new, old: new[0]["ttft_ms"] < old[0]["ttft_ms"]),
    "num_gpu_per_replica": (
        DISAGG,
        [4],
        lambda new, old: all(each["workers"] % 2 == 0 for each in new[0]["pools"]),
    ),
    "max_gpu_per_replica": (
        DISAGG,
        4,
        lambda new, old: all(each["workers"] % 2 == 0 for each in new[0]["pools"]),
    ),
    "max_prefill_workers": (
        {**DISAGG, "total_gpus": 32, "max_gpu_per_replica": 32, "num_gpu_per_replica": [32]},
        1,
        lambda new, old: new[0]["pools"][0]["workers"] == 1 < old[0]["pools"][0]["workers"],
    ),
    "max_decode_workers": (
        {**DISAGG, "total_gpus": 32, "max_gpu_per_replica": 32, "num_gpu_per_replica": [32]},
        1,
        lambda new, old: new[0]["pools"][1]["workers"] == 1 < old[0]["pools"][1]["workers"],
    ),
    "nextn": (AGG, 0, lambda new, old: _rate(new) == _rate(old)),
    "enable_chunked_prefill": (
        {**AGG, "tpot": 60, "profile": "aiconfigurator-0.12"},
        True,
        lambda new, old: _rate(new) > _rate(old),
    ),
}
"""Keys: the experiment, the value, and what must hold of the plan beside the one without the key."""

BY_ROLE: dict[str, tuple[Any, Callable[[dict[str, Any]], Any]]] = {
    "system_name": ("h200_sxm", lambda pool: pool["system"]),
    "gemm_quant_mode": ("bfloat16", lambda pool: pool["quant"]["gemm"]),
    "fmha_quant_mode": ("bfloat16", lambda pool: pool["quant"]["fmha"]),
    "comm_quant_mode": ("half", lambda pool: pool["quant"]["comm"]),
    "backend_version": ("current", lambda pool: "current"),
}
"""Keys that one role may set for itself: a value, and where it is found in the role's pool of the plan."""

SHARED = {
    "model_path": ("Qwen/Qwen3-8B", "prefill and decode serve one model"),
    "backend_name": ("trtllm", "a cache goes to decode of the same engine"),
    "kvcache_quant_mode": ("bfloat16", "prefill hands its cache to decode as it is"),
}
"""Keys under a role's prefix in which both must agree, and what is said where they do not."""
NO_EXPERTS = "moe_quant_mode"
"""Of a dense model: accepted for either role, and of no meaning."""

EXPERTS = ("dp", "moe_tp", "moe_ep", "cp")
"""Lists that a mixture of experts needs; see below."""

DEPLOYED = ("max_seq_len", "attention_backend")
IGNORED = ("enable_wideep", "engine_step_backend", "forward_model")
SHOWN = {"pareto_sweep", "strict_sla"}
ELSEWHERE = {"nextn_accepted", "moe_backend"}
"""See ``test_flags.py``."""


def _not_modelled() -> set[str]:
    return {name for name, key in KEYS.items() if key.use == "not modelled"}


def test_every_flat_key_is_in_a_table() -> None:
    """No key is accepted without a test of its effect, or a reason why there is none."""
    experts = {f"{role}_{name}_candidates" for role in ("agg", "prefill", "decode") for name in EXPERTS}
    own = (*IGNORED, *BY_ROLE, *SHARED, NO_EXPERTS, "enable_chunked_prefill")
    of_roles = {f"{role}_{name}" for role in ("prefill", "decode") for name in own} & set(KEYS)
    known = {*EFFECTS, *experts, *DEPLOYED, *IGNORED, *of_roles, *SHOWN, *ELSEWHERE}
    assert set(KEYS) == known | _not_modelled()


@pytest.fixture
def solved(tmp_path: Path, plans: Callable[..., Plans]) -> Callable[..., Plans]:
    """The plans of one experiment in a file."""

    def of(experiment: dict[str, Any], **more: Any) -> Plans:
        text = yaml.safe_dump({"one": {**experiment, **more}})
        if text not in _ANSWERS:
            path = tmp_path / f"experiments-{len(_ANSWERS)}.yaml"
            path.write_text(text, encoding="utf-8")
            _ANSWERS[text] = plans("exp", "--yaml-path", path)
        return _ANSWERS[text]

    return of


@pytest.mark.parametrize("key", EFFECTS)
def test_flat_keys(key: str, solved: Callable[..., Plans]) -> None:
    """The plan is another one, in the way that the key asks for."""
    experiment, value, check = EFFECTS[key]
    assert check(solved(experiment, **{key: value}), solved(experiment))


@pytest.mark.parametrize("role", ["prefill", "decode"])
@pytest.mark.parametrize("key", BY_ROLE)
def test_a_role_of_its_own_kind(key: str, role: str, solved: Callable[..., Plans]) -> None:
    """A role's own value counts for it alone."""
    value, of_pool = BY_ROLE[key]
    found = solved(DISAGG, **{f"{role}_{key}": value})
    (pool,) = [each for each in found[0]["pools"] if each["role"] == role]
    assert of_pool(pool) == value
    (mate,) = [each for each in found[0]["pools"] if each["role"] != role]
    if key in ("system_name", "gemm_quant_mode"):
        assert of_pool(mate) != value
    assert found[0]["gpus_used"] <= 8


@pytest.mark.parametrize("role", ["prefill", "decode"])
@pytest.mark.parametrize("key", SHARED)
def test_where_roles_must_agree(
    key: str, role: str, tmp_path: Path, refused: Callable[..., str], solved: Callable[..., Plans]
) -> None:
    """One role alone is refused in one line; both together are taken."""
    value, message = SHARED[key]
    path = tmp_path / "experiments.yaml"
    path.write_text(yaml.safe_dump({"one": {**DISAGG, f"{role}_{key}": value}}), encoding="utf-8")
    assert message in refused("exp", "--yaml-path", path)
    assert solved(DISAGG, **{f"{each}_{key}": value for each in ("prefill", "decode")})[0]["pools"]


@pytest.mark.parametrize("role", ["prefill", "decode"])
def test_a_dense_model_has_no_experts(role: str, solved: Callable[..., Plans]) -> None:
    """The format of a role's experts changes nothing of a dense model."""
    assert _rate(solved(DISAGG, **{f"{role}_{NO_EXPERTS}": "bfloat16"})) == _rate(solved(DISAGG))


@pytest.mark.parametrize("role", ["agg", "prefill", "decode"])
@pytest.mark.parametrize("degree", EXPERTS)
def test_lists_of_mixtures(role: str, degree: str, solved: Callable[..., Plans]) -> None:
    """Degrees of attention data parallelism, of experts and of context are searched as listed."""
    mode = "agg" if role == "agg" else "disagg"
    mixture = {**AGG, "serving_mode": mode, "model_path": "Qwen/Qwen3-30B-A3B", "backend_name": "sglang"}
    only = {"dp": 2, "moe_tp": 2, "moe_ep": 2, "cp": 1}[degree]
    found = solved(mixture, **{f"{role}_{degree}_candidates": [only], f"{role}_num_gpu_candidates": [2]})
    (pool,) = [each for each in found[0]["pools"] if each["role"] == role]
    assert pool[degree] == only


@pytest.mark.parametrize("key", sorted(_not_modelled()))
def test_what_is_not_modelled_is_named(key: str, tmp_path: Path, report: Callable[..., str]) -> None:
    """The key is accepted, and the report says that it has no part in the figures."""
    default = KEYS[key].default
    value: Any = {bool: not default, int: 3, float: 0.5}.get(type(default), [2])
    value = {"encoder_system_name": "h200_sxm", "transfer_policy": "off"}.get(key, value)
    if KEYS[key].kind.switch:
        value = not default
    elif key in ("wideep_num_slots", "max_encoder_workers"):
        value = 3
    path = tmp_path / "experiments.yaml"
    disagg = key.startswith(("prefill_", "decode_"))
    path.write_text(yaml.safe_dump({"one": {**(DISAGG if disagg else AGG), key: value}}), encoding="utf-8")
    assert f"not modelled: {key}" in report("exp", "--yaml-path", path, "--top-n", "1")


def test_split_of_attention_and_ffn_is_named(tmp_path: Path, report: Callable[..., str]) -> None:
    """Any ``afd_`` key is accepted and named."""
    path = tmp_path / "experiments.yaml"
    path.write_text(yaml.safe_dump({"one": {**AGG, "afd_total_gpus": 8}}), encoding="utf-8")
    assert "not modelled: afd_total_gpus" in report("exp", "--yaml-path", path)


@pytest.mark.parametrize("key", IGNORED)
def test_what_is_ignored_changes_nothing(key: str, solved: Callable[..., Plans]) -> None:
    """The key is accepted and the plan is the same."""
    value: Any = True if KEYS[key].kind.switch else "rust"
    assert _rate(solved(AGG, **{key: value})) == _rate(solved(AGG))


NESTED: dict[str, Any] = {
    "mode": "patch",
    "serving_mode": "disagg",
    "model_path": "Qwen/Qwen3-32B-FP8",
    "total_gpus": 8,
    "system_name": "h100_sxm",
    "backend_name": "vllm",
    "isl": 2000,
    "osl": 200,
}
SECTION_EFFECTS: dict[str, tuple[dict[str, Any], Check]] = {
    "tp_list": ({"decode_worker_config": {"tp_list": [4]}}, lambda new, old: _pool(new, 1)["tp"] == 4),
    "pp_list": ({"decode_worker_config": {"pp_list": [2]}}, lambda new, old: _pool(new, 1)["pp"] == 2),
    "num_gpu_per_worker": (
        {"prefill_worker_config": {"num_gpu_per_worker": [4]}},
        lambda new, old: _pool(new)["gpus_per_worker"] == 4,
    ),
    "gemm_quant_mode": (
        {f"{role}_worker_config": {"gemm_quant_mode": "bfloat16"} for role in ("prefill", "decode")},
        lambda new, old: _pool(new)["quant"]["gemm"] == "bfloat16",
    ),
    "kvcache_quant_mode": (
        {f"{role}_worker_config": {"kvcache_quant_mode": "bfloat16"} for role in ("prefill", "decode")},
        lambda new, old: _pool(new, 1)["quant"]["kvcache"] == "bfloat16",
    ),
    "num_gpu_per_replica": (
        {"replica_config": {"num_gpu_per_replica": [4]}},
        lambda new, old: all(each["workers"] % 2 == 0 for each in new[0]["pools"]),
    ),
    "max_gpu_per_replica": (
        {"replica_config": {"max_gpu_per_replica": 4}},
        lambda new, old: all(each["workers"] % 2 == 0 for each in new[0]["pools"]),
    ),
    "prefill_latency_correction_scale": (
        {"advanced_tuning_config": {"prefill_latency_correction_scale": 2.0}},
        lambda new, old: _rate(new) < _rate(old),
    ),
    "decode_latency_correction_scale": (
        {"advanced_tuning_config": {"decode_latency_correction_scale": 2.0}},
        lambda new, old: _rate(new) < _rate(old),
    ),
    "prefill_max_batch_size": (
        {"advanced_tuning_config": {"prefill_max_batch_size": 1}},
        lambda new, old: _pool(new)["batch"] == 1,
    ),
    "decode_max_batch_size": (
        {"advanced_tuning_config": {"decode_max_batch_size": 3}},
        lambda new, old: _pool(new, 1)["batch"] <= 3,
    ),
}


@pytest.mark.parametrize("key", SECTION_EFFECTS)
def test_keys_of_nested_sections(key: str, solved: Callable[..., Plans]) -> None:
    """The nested form's own names have the effect of the flat keys that they stand for."""
    config, check = SECTION_EFFECTS[key]
    assert check(solved(NESTED, config=config), solved(NESTED))


def test_every_nested_key_stands_for_a_flat_one() -> None:
    """Whatever the nested form may hold ends in a flat key, whose effect is tested above."""
    flat = [*TOP, *CONFIG, *NESTED_WORKER, *REPLICA.values(), *TUNING.values()]
    flat += [f"agg_{degree}_candidates" for degree in LISTS.values()]
    assert set(flat) <= set(KEYS)


def test_formats_of_a_preset(solved: Callable[..., Plans]) -> None:
    """``profiles`` sets every component's format; a section overrides it."""
    agg = {**NESTED, "serving_mode": "agg"}
    found = solved(agg, config={"worker_config": {"fmha_quant_mode": "bfloat16"}}, profiles=["fp8"])
    quant = _pool(found)["quant"]
    assert (quant["gemm"], quant["kvcache"], quant["fmha"]) == ("fp8", "fp8", "bfloat16")


def test_other_name_of_the_section_of_aggregated_workers(solved: Callable[..., Plans]) -> None:
    """``agg_worker_config`` is ``worker_config``."""
    agg = {**NESTED, "serving_mode": "agg"}
    assert _pool(solved(agg, config={"agg_worker_config": {"tp_list": [8]}}))["tp"] == 8


def test_drafts_fold_their_acceptance(solved: Callable[..., Plans]) -> None:
    """The shares that are kept become their mean: two drafts at 0.85 and 0.3 keep 1.105."""
    agg = {
        **NESTED,
        "serving_mode": "agg",
        "model_path": "deepseek-ai/DeepSeek-V3",
        "system_name": "h200_sxm",
    }
    found = solved({**agg, "tpot": 80.0}, config={"nextn": 2})
    assert _inputs(found)["serving"]["speculative"]["accepted"] == pytest.approx(1.105)
