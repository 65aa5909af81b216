"""AIConfigurator's experiment files: which experiments run, and what is said of those that cannot be used."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aicfg.experiments.peer.requests.documents import read_requests
from aicfg.model_specs.errors import InputError

from ..conftest import Plans

TWO = """\
exps: [b]
a:
  serving_mode: agg
  model_path: Qwen/Qwen3-32B-FP8
  system_name: h100_sxm
  backend_name: vllm
  total_gpus: 8
  isl: 2000
  osl: 200
b:
  mode: patch
  serving_mode: disagg
  model_path: Qwen/Qwen3-32B-FP8
  system_name: h100_sxm
  backend_name: vllm
  total_gpus: 8
  isl: 2000
  osl: 200
  config:
    moe_backend: None
"""

FAULTS = {
    "flat key": (("  isl: 2000\n", "  ttfft: 100\n"), "7: a.ttfft: unknown key; did you mean 'ttft'?"),
    "nested key": (("    moe_backend: None\n", "    moe_bakend: x\n"), "b.config.moe_bakend: unknown key"),
    "section outside": (("  config:\n", "  worker_config: {tp_list: [8]}\n  config:\n"), "inside config"),
    "section of the other mode": (
        ("moe_backend: None", "worker_config: {tp_list: [8]}"),
        "prefill_worker_config",
    ),
    "worker key": (
        ("moe_backend: None", "decode_worker_config: {tp_lists: [8]}"),
        "decode_worker_config.tp_lists: unknown key; did you mean 'tp_list'?",
    ),
    "replica key": (
        ("moe_backend: None", "replica_config: {max_gpus: 8}"),
        "replica_config.max_gpus: unknown",
    ),
    "quant": (("moe_backend: None", "decode_worker_config: {gemm_quant_mode: fp9}"), "'fp8'"),
    "mode of figures": (("  isl: 2000\n", "  database_mode: SILICONE\n"), "did you mean 'SILICON'?"),
    "negative length": (("  isl: 2000\n", "  isl: -5\n"), "a.isl: got -5; expected a whole number of tokens"),
    "quoted length": (("  isl: 2000\n", "  isl: '2000'\n"), "a.isl: got text '2000'"),
    "no output": (("  osl: 200\n", "  osl: 0\n"), "osl: got 0"),
    "negative bound": (("  isl: 2000\n", "  ttft: -1\n"), "a.ttft: got -1; expected milliseconds above 0"),
    "text for a list": (("  isl: 2000\n", "  agg_tp_candidates: '8'\n"), "expected a list of whole numbers"),
    "drafts": (("  isl: 2000\n", "  nextn: 2\n"), "nextn: got 2 without nextn_accepted"),
    "one GPU": (("  total_gpus: 8\n", "  total_gpus: 1\n"), "at least 2 GPUs"),
    "prefix": (("  isl: 2000\n", "  isl: 2000\n  prefix: 5000\n"), "prefix: got 5000; expected fewer"),
    "experiment": (("exps: [b]", "exps: [a, nope]"), "exps: 'nope' is not defined"),
    "key of the other mode": (
        ("  isl: 2000\n", "  decode_tp_candidates: [8]\n"),
        "not a key of a agg experiment",
    ),
    "presets": (("  mode: patch\n", "  profiles: [fp8, nvfp4]\n"), "expected a list of one of fp8"),
    "preset": (("  mode: patch\n", "  profiles: [fp9]\n"), "did you mean 'fp8'?"),
    "way of patching": (("  mode: patch\n", "  mode: merge\n"), "expected patch or replace"),
    "no model": (("  model_path: Qwen/Qwen3-32B-FP8\n", ""), "missing model_path"),
    "no GPUs": (("  total_gpus: 8\n", ""), "missing total_gpus"),
    "split of attention and FFN": (("serving_mode: agg", "serving_mode: afd"), "afd: a split of attention"),
    "replicas": (("moe_backend: None", "replica_config: {num_gpu_per_replica: [16]}"), "no replica fits"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults(fault: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    """Each is one line with the file, the line, the key and what would be accepted; the exit code is 2."""
    (old, new), message = FAULTS[fault]
    path = tmp_path / "experiments.yaml"
    text = TWO if fault in ("experiment", "replicas") else TWO.replace("exps: [b]\n", "")
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert message in refused("exp", "--yaml-path", path)


def test_listed_experiments_run_in_their_order(tmp_path: Path) -> None:
    """``exps`` selects and orders; without it all run."""
    path = tmp_path / "experiments.yaml"
    path.write_text(TWO, encoding="utf-8")
    assert [each.name for each in read_requests(path)] == ["b"]
    path.write_text(TWO.replace("[b]", "[b, a]"), encoding="utf-8")
    assert [each.name for each in read_requests(path)] == ["b", "a"]


def test_all_faults_at_once(tmp_path: Path) -> None:
    """Every fault of every experiment is reported, not the first alone."""
    path = tmp_path / "experiments.yaml"
    path.write_text(TWO.replace("exps: [b]\n", "").replace("isl: 2000", "isl: 0"), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_requests(path)
    assert str(caught.value).count("isl: got 0") == 2


def test_an_experiment_as_the_peer_saves_it() -> None:
    """A flat mapping without a name, full of keys of the other mode at their defaults, is one experiment."""
    saved = {
        "serving_mode": "agg",
        "model_path": "Qwen/Qwen3-32B-FP8",
        "system_name": "h100_sxm",
        "backend_name": "vllm",
        "backend_version": "0.24.0",
        "total_gpus": 8,
        "request_latency": None,
        "prefill_model_path": "",
        "prefill_backend_name": "trtllm",
        "prefill_max_batch_size": 1,
        "decode_max_batch_size": 512,
        "enable_epd": False,
        "afd_combined_with_pd": True,
        "autoscale_ttft_correction_factor": 1.8,
    }
    (request,) = read_requests(saved)
    assert (request.name, request.get("total_gpus")) == ("agg", 8)


def test_no_such_file(refused: Callable[..., str]) -> None:
    """A file that is not there is named."""
    assert "/nonexistent.yaml: no such file" in refused("exp", "--yaml-path", "/nonexistent.yaml")


def test_some_fail(tmp_path: Path, report: Callable[..., str], refused: Callable[..., str]) -> None:
    """One that cannot be solved does not keep the others from it; it is listed, and 4 where asked for."""
    path = tmp_path / "experiments.yaml"
    path.write_text(TWO.replace("exps: [b]\n", "").replace("h100_sxm", "h999", 1), encoding="utf-8")
    text = report("exp", "--yaml-path", path)
    assert "Not solved:\n  a: fleet.system: unknown GPU system 'h999'" in text
    assert "Not solved" in report("exp", "--yaml-path", path, "--fail-on-any", code=4)
    path.write_text(TWO.replace("exps: [b]", "exps: [a]").replace("h100_sxm", "h999", 1), encoding="utf-8")
    assert "known: a100_pcie" in refused("exp", "--yaml-path", path)


def test_engines_compared(tmp_path: Path, plans: Callable[..., Plans]) -> None:
    """``backend_name: any`` puts the experiment to every engine."""
    path = tmp_path / "experiments.yaml"
    text = TWO.replace("exps: [b]", "exps: [a]").replace("backend_name: vllm", "backend_name: any", 1)
    path.write_text(text, encoding="utf-8")
    found = plans("exp", "--yaml-path", path)
    assert {each["pools"][0]["backend"] for each in found} == {"trtllm", "sglang", "vllm"}
