"""aicfg estimate --batch-file: a table of configurations in, a table of predictions out."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aicfg.experiments.predictions.batch import predict
from aicfg.experiments.predictions.batch_rows import read_rows
from aicfg.hardware.intervals import Regime
from aicfg.hardware.profile import load_profile
from aicfg.model_specs.errors import InputError

COLUMNS = (
    "row_id,model,system,backend,backend_version,gemm_dtype,moe_dtype,mode,isl_tokens,osl_tokens,concurrency,"
    "tp,pp,dp,moe_tp,moe_ep,prefill_workers,prefill_tp,prefill_dp,decode_workers,decode_tp,decode_dp,ttft_ms"
)
AGG = "a,Qwen/Qwen3-32B,h100_sxm,vllm,0.12.0,,,agg,1024,512,64,4.0,1.0,1.0,1,1,,,,,,,777"
DISAGG = "d,deepseek-ai/DeepSeek-R1,h200_sxm,trtllm,0.8.1,fp8,fp8,disagg,1024,1024,144,,,,,,1,8,1,9,8,1,"


def written(folder: Path, *lines: str) -> Path:
    """A batch file of these lines."""
    path = folder / "rows.csv"
    path.write_text("\n".join((COLUMNS, *lines)) + "\n", encoding="utf-8")
    return path


def predictions(run: Callable[..., Any], folder: Path, *lines: str) -> list[dict[str, str]]:
    """What the command predicts for them."""
    code, out, _ = run("estimate", "--batch-file", written(folder, *lines), "--out", folder / "out.csv")
    assert (code, out) == (0, "")
    with (folder / "out.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_of_both_modes_are_predicted(run: Callable[..., Any], tmp_path: Path) -> None:
    """Throughput is what Little's law makes of the two latencies, over all GPUs of the deployment."""
    agg, disagg = predictions(run, tmp_path, AGG, DISAGG)
    for row, concurrency, osl, gpus in ((agg, 64, 512, 4), (disagg, 144, 1024, 80)):
        answer_s = (float(row["ttft_ms"]) + (osl - 1) * float(row["tpot_ms"])) / 1000
        assert float(row["tokens_per_s_per_gpu"]) == pytest.approx(
            concurrency * (osl - 1) / answer_s / gpus, rel=1e-4
        )


def test_measured_columns_are_not_read(run: Callable[..., Any], tmp_path: Path) -> None:
    """Whatever stands under ttft_ms, the prediction is the same."""
    (first,) = predictions(run, tmp_path, AGG)
    (second,) = predictions(run, tmp_path, AGG.replace("777", "no number"))
    assert first == second


def test_rows_without_a_prediction_say_why(run: Callable[..., Any], tmp_path: Path) -> None:
    """A faulty row, an unknown system and an unknown model leave the others alone."""
    rows = predictions(
        run,
        tmp_path,
        AGG.replace("a,", "zero,", 1).replace(",64,", ",0,"),
        AGG.replace("a,", "gpu,", 1).replace("h100_sxm", "h100_smx"),
        AGG,
    )
    assert [bool(row["tpot_ms"]) for row in rows] == [False, False, True]
    assert rows[0]["reason"] == "concurrency: got '0'; expected a number above 0"
    assert "h100_smx" in rows[1]["reason"]


def test_estimated_rows_have_the_error_bars_of_estimates(run: Callable[..., Any], tmp_path: Path) -> None:
    """Where no table has every operation, the reason says so and the interval is that of such rows."""
    row = "m,openai/gpt-oss-120b,h100_sxm,trtllm,1.1.0,,,agg,1024,512,64,2,1,1,{},{},,,,,,,"
    known = load_profile("aicfg").intervals
    assert known is not None
    for line, estimated in ((row.format(1, 2), False), (row.format(2, 1), True)):
        (found,) = predictions(run, tmp_path, line)
        assert ("estimated" in found["reason"]) == estimated
        low, high = known.interval(Regime("agg", "trtllm", estimated), "tpot_ms", 0.9)
        ends = [float(found[name]) for name in ("tpot_ms_low_90", "tpot_ms_high_90")]
        tpot_ms = float(found["tpot_ms"])
        assert ends == pytest.approx([low * tpot_ms, high * tpot_ms], rel=1e-4)


def test_a_full_memory_does_not_suppress_a_row(run: Callable[..., Any], tmp_path: Path) -> None:
    """A row that was run is predicted even where the model says that its cache does not fit."""
    (row,) = predictions(run, tmp_path, AGG.replace(",64,4.0,", ",512,1.0,"))
    assert float(row["tpot_ms"]) > 0


MISFITS = [
    (
        "deepseek-ai/DeepSeek-R1,h100_sxm,vllm,0.19.0,fp8,fp8,agg,1024,1024,16,1",
        "weights exceed the memory of a GPU",
    ),
    ("Qwen/Qwen3-32B,h100_sxm,sglang,,,,agg,1024,8192,16,1", "a request exceeds the cache"),
    ("Qwen/Qwen3-32B,h100_sxm,sglang,,,,agg,1024,8192,16,2", ""),
    (
        "deepseek-ai/DeepSeek-R1,h200_sxm,trtllm,1.1,fp8,fp8,disagg,1024,1024,16,,,,,,1,8,1,1,1,1",
        "decode workers: weights exceed the memory of a GPU",
    ),
]


@pytest.mark.parametrize(("line", "reason"), MISFITS)
def test_rows_that_do_not_fit_say_so(line: str, reason: str, run: Callable[..., Any], tmp_path: Path) -> None:
    """They have figures, as it may be our memory model that errs, but not without a word."""
    (row,) = predictions(run, tmp_path, f"x,{line}" + "," * (COLUMNS.count(",") - line.count(",") - 1))
    assert float(row["tpot_ms"]) > 0
    assert row["reason"] == reason


def test_reasons_are_joined(run: Callable[..., Any], tmp_path: Path) -> None:
    """A row that is estimated and does not fit says both."""
    line = "x,moonshotai/Kimi-K2.5,h100_sxm,trtllm,,,,agg,1024,1024,16,1" + "," * 12
    (row,) = predictions(run, tmp_path, line)
    estimated, misfit = row["reason"].split("; ")
    assert (estimated[:10], misfit) == ("estimated:", "weights exceed the memory of a GPU")


def test_experts_labelled_as_no_engine_runs_them(run: Callable[..., Any], tmp_path: Path) -> None:
    """MiniMax-M2.5's blocks do not split by 8: a row that says moe_tp 8 ran with whole experts."""
    line = "m,MiniMaxAI/MiniMax-M2.5,h200_sxm,vllm,0.16.0,fp8,fp8,agg,1024,1024,64,8,1,1,{},,,,,,,"
    labelled, true = predictions(run, tmp_path, line.format("8,1"), line.replace("m,", "n,", 1).format("1,8"))
    assert labelled["tpot_ms"] == true["tpot_ms"] != ""


def test_attention_ranks_of_a_dense_model_are_workers(run: Callable[..., Any], tmp_path: Path) -> None:
    """Two ranks of tp 4 with 128 clients are one worker of tp 4 with 64, on twice the GPUs."""
    one, two = predictions(
        run, tmp_path, AGG, AGG.replace("a,", "b,", 1).replace(",64,4.0,1.0,1.0,", ",128,4.0,1.0,2.0,")
    )
    assert {**one, "row_id": "b"} == two


def test_an_engine_that_cannot_split_both_ways_splits_one(run: Callable[..., Any], tmp_path: Path) -> None:
    """TensorRT-LLM with tp 2 and dp 4 is predicted as tp 8."""
    line = "x,deepseek-ai/DeepSeek-R1,h200_sxm,trtllm,1.1,fp8,fp8,agg,1024,1024,64,{},1,{},1,8,,,,,,,"
    both, one = predictions(run, tmp_path, line.format(2, 4), line.replace("x,", "y,", 1).format(8, 1))
    assert both["tpot_ms"] == one["tpot_ms"] != ""


def with_launch(run: Callable[..., Any], folder: Path, backend: str, **settings: str) -> dict[str, float]:
    """The prediction of a row that says how its server was launched."""
    path = folder / "launched.csv"
    columns = ",".join(("row_id,model,system,backend,isl_tokens,osl_tokens,concurrency,tp", *settings))
    line = ",".join((f"a,Qwen/Qwen3-32B,h100_sxm,{backend},2000,500,16,4", *settings.values()))
    path.write_text(f"{columns}\n{line}\n", encoding="utf-8")
    assert run("estimate", "--batch-file", path, "--out", folder / "launched.out.csv").code == 0
    with (folder / "launched.out.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert not row["reason"]
    return {name: float(row[name]) for name in ("ttft_ms", "tpot_ms")}


def test_a_row_says_how_its_server_was_launched(run: Callable[..., Any], tmp_path: Path) -> None:
    """Waits cost TTFT alone; drawn lengths are shorter; a cache of half the bytes is read faster."""
    plain = with_launch(run, tmp_path, "sglang", drawn="yes")
    seen_late = with_launch(run, tmp_path, "sglang", drawn="yes", receive_interval="31")
    assert seen_late["tpot_ms"] == plain["tpot_ms"]
    assert seen_late["ttft_ms"] - plain["ttft_ms"] == pytest.approx(15 * plain["tpot_ms"], rel=1e-4)
    alike = with_launch(run, tmp_path, "sglang")
    assert alike["ttft_ms"] > plain["ttft_ms"] + 100
    apart, inside = (with_launch(run, tmp_path, "trtllm", postprocess_apart=each) for each in ("yes", "no"))
    assert apart["ttft_ms"] < inside["ttft_ms"]
    whole, half = (with_launch(run, tmp_path, "trtllm", kv_cache_dtype=each) for each in ("bfloat16", "fp8"))
    assert half["tpot_ms"] < whole["tpot_ms"]


def test_a_small_cache_makes_clients_wait(run: Callable[..., Any], tmp_path: Path) -> None:
    """What is left of a quarter of the GPU beside the weights holds a few requests."""
    roomy, small = (with_launch(run, tmp_path, "vllm", memory_fraction=each) for each in ("0.9", "0.26"))
    assert small["ttft_ms"] > 3 * roomy["ttft_ms"]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("drawn", "perhaps", "drawn: got 'perhaps'; expected yes or no"),
        ("kv_cache_dtype", "int4", "kv_cache_dtype: got 'int4'; expected auto, bfloat16 or fp8"),
        ("receive_interval", "0", "receive_interval: got '0'; expected a number from 1"),
        ("decode_batch_limit", "0.3", "decode_batch_limit: got '0.3'; expected a number from 1"),
        ("memory_fraction", "1.7", "memory_fraction: got '1.7'; expected a number from 0.01 to 1"),
        ("receive_interval", "often", "receive_interval: got 'often'; expected a number above 0"),
    ],
)
def test_a_faulty_launch_is_said(column: str, value: str, words: str, tmp_path: Path) -> None:
    """What is wrong, and what is accepted."""
    path = tmp_path / "rows.csv"
    path.write_text(f"{COLUMNS},{column}\n{AGG},{value}\n", encoding="utf-8")
    (row,) = read_rows(str(path))
    assert row.fault == words


def test_older_engines_ran_quantised_experts_slower(run: Callable[..., Any], tmp_path: Path) -> None:
    """vLLM 0.16 takes longer than 0.19 with block-scaled experts, and as long with others."""
    line = "x,MiniMaxAI/MiniMax-M2.5,h200_sxm,vllm,{},{},{},agg,1024,1024,1,4,1,1,4,1,,,,,,,"
    for formats, factor in ((("fp8", "fp8"), 1.2), (("nvfp4", "nvfp4"), 1.0)):
        old, new = predictions(
            run,
            tmp_path,
            line.format("0.16.0", *formats),
            line.replace("x,", "y,", 1).format("0.19.0", *formats),
        )
        ratio = float(old["tpot_ms"]) / float(new["tpot_ms"])
        assert ratio == 1.0 if factor == 1.0 else ratio > factor


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    """A missing column, a row without id and a row given twice are named."""
    path = tmp_path / "x.csv"
    for text, words in (
        (
            "row_id,modle,system,backend,isl_tokens,osl_tokens,concurrency\n",
            "no column 'model'; did you mean",
        ),
        (f"{COLUMNS}\n{AGG[1:]}\n", "line 2 has no row_id"),
        (f"{COLUMNS}\n{AGG}\n{AGG}\n", "'a' is there more than once"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            read_rows(str(path))


def test_replicas_fill_a_group_that_does_not_divide_the_experts(tmp_path: Path) -> None:
    """48 ranks for 256 experts do what 32 do for as many clients each."""
    columns = "row_id,model,system,backend,isl_tokens,osl_tokens,concurrency,mode,prefill_dp,prefill_moe_ep"
    decode = "decode_dp,decode_moe_ep"
    lines = [
        f"r{ranks},deepseek-ai/DeepSeek-R1,gb200,sglang,1024,1000,{64 * ranks},disagg,8,8,{ranks},{ranks}"
        for ranks in (32, 48)
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([f"{columns},{decode}", *lines]) + "\n")
    divided, filled = predict(read_rows(str(path)), load_profile("aicfg"))
    assert filled.tpot_ms is not None and filled.tpot_ms == divided.tpot_ms


def test_a_cache_that_no_table_has_is_taken_as_the_engines_own(tmp_path: Path) -> None:
    """SGLang's attention behind DeepEP was measured with an fp8 cache: a bfloat16 one is estimated by it."""
    columns = "row_id,model,system,backend,isl_tokens,osl_tokens,concurrency,mode,kv_cache_dtype"
    layout = "prefill_dp,prefill_moe_ep,decode_dp,decode_moe_ep"
    lines = [
        f"{cache},deepseek-ai/DeepSeek-R1,h200_sxm,sglang,2000,1000,512,disagg,{cache},8,8,8,8"
        for cache in ("fp8", "bfloat16")
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([f"{columns},{layout}", *lines]) + "\n")
    own, other = predict(read_rows(str(path)), load_profile("aicfg"))
    assert own.tpot_ms == other.tpot_ms is not None
    assert (own.reason, other.reason) == ("", "estimated: no table has a bfloat16 cache")
