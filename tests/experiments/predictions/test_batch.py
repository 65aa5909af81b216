"""aicfg estimate --batch-file: a table of configurations in, a table of predictions out."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aicfg.experiments.predictions.batch import predict
from aicfg.experiments.predictions.batch_rows import read_rows
from aicfg.experiments.predictions.served import served
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


def test_a_full_memory_does_not_suppress_a_row(run: Callable[..., Any], tmp_path: Path) -> None:
    """A row that was run is predicted even where the model says that its cache does not fit."""
    (row,) = predictions(run, tmp_path, AGG.replace(",64,4.0,", ",512,1.0,"))
    assert float(row["tpot_ms"]) > 0


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


@pytest.mark.parametrize(
    ("recorded", "formats"),
    [
        (("deepseek-ai/DeepSeek-R1", "fp8", "fp8"), ("fp8_block", "fp8_block")),
        (("deepseek-ai/DeepSeek-R1", "nvfp4", "nvfp4"), ("nvfp4", "nvfp4")),
        (("openai/gpt-oss-120b", "nvfp4", "nvfp4"), ("bfloat16", "w4a16_mxfp4")),
        (("moonshotai/Kimi-K2.5", "int4_wo", "int4_wo"), ("bfloat16", "int4_wo")),
        (("moonshotai/Kimi-K2.5", "nvfp4", "nvfp4"), ("nvfp4", "nvfp4")),
        (("meta-llama/Llama-3.1-70B", "fp8", "fp8"), ("fp8_static", "fp8")),
        (("nvidia/Llama-3.1-8B-Instruct-FP8", "fp8", "fp8"), ("fp8_static", "fp8")),
        (("Qwen/Qwen3-32B", "", ""), ("bfloat16", "bfloat16")),
    ],
)
def test_formats_are_those_of_the_checkpoint(
    recorded: tuple[str, str, str], formats: tuple[str, str]
) -> None:
    """A recorded format that is another name of the checkpoint's own gives way to it."""
    _, quant = served(*recorded)
    assert (quant.gemm, quant.moe) == formats


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
