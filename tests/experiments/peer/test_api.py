"""AIConfigurator's Python functions: names, parameters, frames, and errors that can be caught."""

from pathlib import Path

import pytest

import aicfg
from aicfg.cli import (
    CLIResult,
    NoFeasibleConfigError,
    RequestError,
    cli_default,
    cli_estimate,
    cli_exp,
    cli_generate,
    cli_recommend,
    cli_support,
)
from aicfg.experiments.peer.answers.naive import DoesNotFitError
from aicfg.experiments.peer.forms.rows import columns

MODEL = "Qwen/Qwen3-32B-FP8"
SHORT = {"backend": "vllm", "isl": 2000, "osl": 200}


@pytest.fixture(scope="module")
def result() -> CLIResult:
    """One call of ``cli_default``."""
    return cli_default(MODEL, 8, "h100_sxm", **SHORT)


def test_result(result: CLIResult) -> None:
    """Frames by experiment, the best first; throughputs and latencies of the best."""
    assert set(result.best_configs) == set(result.pareto_fronts) == {"agg", "disagg"}
    for mode, frame in result.best_configs.items():
        assert tuple(frame.columns) == columns(mode)
        assert len(frame) == 5
        assert frame["tokens/s/gpu_cluster"][0] == pytest.approx(result.best_throughputs[mode], abs=1e-3)
        assert result.best_latencies[mode]["ttft"] == pytest.approx(frame["ttft"][0], abs=1e-3)
    best = max(result.best_throughputs, key=lambda name: result.best_throughputs[name])
    assert result.chosen_exp == best
    assert result.best_configs["disagg"].head()["(d)tp"].min() >= 1
    assert result.raw_results == {}
    assert repr(result).startswith(f"CLIResult(chosen_exp={best!r}")


def test_plan_behind_the_frames(result: CLIResult) -> None:
    """The plan with its certificate is at hand, and its task solves again to it."""
    (plan,) = result.plans["agg"]
    assert plan.certificate.gap == 0.0
    again = aicfg.solve(result.tasks["agg"])
    assert again.tokens_per_s == plan.tokens_per_s


def test_nothing_feasible_is_an_empty_result() -> None:
    """``cli_default`` does not raise: the frames are empty and the explanation is there."""
    found = cli_default(MODEL, 8, "h100_sxm", tpot=1.0, **SHORT)
    assert found.chosen_exp == ""
    assert all(frame.empty for frame in found.best_configs.values())
    assert "TPOT 1 ms is below the fastest decoding" in found.explanations["agg"].text  # type: ignore[union-attr]


def test_experiments_from_a_mapping(tmp_path: Path) -> None:
    """``cli_exp`` takes a mapping as well as a file: shared keys reach both roles; results are saved."""
    experiment = {"serving_mode": "disagg", "model_path": MODEL, "system_name": "h100_sxm", "total_gpus": 8}
    config = {"mine": {**experiment, "backend_name": "vllm", "isl": 2000, "osl": 200}}
    found = cli_exp(config=config, top_n=1, save_dir=tmp_path)
    assert found.chosen_exp == "mine"
    assert found.output_dir is not None
    assert (Path(found.output_dir) / "mine" / "top1" / "generator_config.yaml").exists()
    again = cli_exp(yaml_path=Path(found.output_dir) / "mine" / "config.yaml")
    assert again.best_throughputs == found.best_throughputs


def test_no_experiment_feasible_raises() -> None:
    """``cli_exp`` says so with the explanations at hand."""
    experiment = {"serving_mode": "agg", "model_path": MODEL, "system_name": "h100_sxm", "total_gpus": 8}
    with pytest.raises(NoFeasibleConfigError, match="below the fastest") as caught:
        cli_exp(config={"mine": {**experiment, "backend_name": "vllm", "tpot": 1.0}})
    assert caught.value.explanations["mine"] is not None


def test_errors_are_caught_as_the_peers_users_catch_them() -> None:
    """What is wrong raises ``RequestError``, a ``ValueError``; nothing ends the process."""
    for call, message in (
        (lambda: cli_default(MODEL, 8, "h999"), "unknown GPU system"),
        (lambda: cli_default(MODEL, 8, "h100_sxm", ttfft=3), "ttfft: unknown key; did you mean 'ttft'"),
        (lambda: cli_default(MODEL, 0, "h100_sxm"), "total_gpus: got 0"),
        (lambda: cli_default("no/such", 8, "h100_sxm"), "not in the catalogue"),
        (lambda: cli_exp(), "one of yaml_path and config"),
        (lambda: cli_recommend(MODEL, "h100_sxm"), "one of target_request_rate"),
        (lambda: cli_estimate(MODEL, "h100_sxm", tpsize=2), "unknown parameter 'tpsize'; did you mean"),
        (lambda: cli_estimate(MODEL, "h100_sxm", mode="agge"), "did you mean 'agg'"),
        (lambda: cli_support(MODEL, "h100_sxm", backend="vlm"), "did you mean 'vllm'"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            call()  # type: ignore[no-untyped-call]
        assert isinstance(caught.value, RequestError)


def test_estimate() -> None:
    """One configuration, figures as the peer's result has them."""
    found = cli_estimate(
        MODEL, "h100_sxm", backend_name="vllm", tp_size=2, batch_size=32, profile="aiconfigurator-0.12"
    )
    assert found.ttft == pytest.approx(179.976, abs=0.01)
    assert found.tpot == pytest.approx(31.360, abs=0.01)
    assert found.tokens_per_second == pytest.approx(1014.72, abs=0.1)
    assert found.tokens_per_second_per_gpu == pytest.approx(507.36, abs=0.05)
    assert found.seq_per_second == pytest.approx(0.992, abs=1e-3)
    assert found.memory == pytest.approx(23.92, abs=0.01)
    assert (found.concurrency, found.num_total_gpus) == (32, 2)
    assert sum(found.per_ops_data["agg.decode"].values()) > 0
    pair = cli_estimate(
        *(MODEL, "h100_sxm"),
        mode="disagg",
        backend_name="vllm",
        prefill_tp_size=1,
        prefill_batch_size=1,
        prefill_num_workers=2,
        decode_tp_size=2,
        decode_batch_size=80,
        decode_num_workers=3,
    )
    assert pair.num_total_gpus == 8
    assert cli_estimate(MODEL, "h100_sxm", backend_name="vllm", batch_size=4000).kv_cache_warning


def test_recommend() -> None:
    """The fewest GPUs: one fewer does not serve the load."""
    found = cli_recommend(MODEL, "h100_sxm", target_request_rate=20.0, database_mode="SILICON", **SHORT)
    row = found.best_configs[found.chosen_exp].iloc[0]
    assert row["load_served_pct"] == 100.0
    fewer = cli_default(MODEL, int(row["total_gpus_needed"]) - 1, "h100_sxm", **SHORT)
    assert all(plan.tokens_per_s < 20.0 * 200 for plans in fewer.plans.values() for plan in plans)


def test_generate(tmp_path: Path) -> None:
    """The seed's rule: tp times memory above one and a half times the weights."""
    found = cli_generate("Qwen/Qwen3-32B", 8, "h100_sxm", "vllm", output_dir=tmp_path)
    wanted = {"tp": 2, "pp": 1, "gpus_per_worker": 2, "replicas": 4, "gpus_used": 8}
    assert found["parallelism"] == wanted
    assert found["artifacts"]["agg/k8s_deploy.yaml"]
    assert (Path(found["output_dir"]) / "agg" / "k8s_deploy.yaml").exists()
    with pytest.raises(DoesNotFitError, match="it would fit 16 GPUs"):
        cli_generate("meta-llama/Meta-Llama-3.1-405B", 2, "h100_sxm", "vllm")


def test_support() -> None:
    """Unpacks into the two answers and says why not."""
    agg, disagg = cli_support("Qwen/Qwen3-32B", "h100_sxm")
    assert (agg, disagg) == (True, True)
    found = cli_support("deepseek-ai/DeepSeek-V3", "a100_sxm", backend="sglang")
    assert not found[0]
    assert found.reason
    assert found.closest == "sglang on b200_sxm"
    assert (found.architecture, found.exact_match, found.agg_pass_count) == ("DeepseekV3ForCausalLM", True, 0)


def test_importable_from_the_package() -> None:
    """The same functions under ``aicfg`` itself."""
    assert aicfg.cli_default is cli_default
    assert aicfg.CLIResult is CLIResult
