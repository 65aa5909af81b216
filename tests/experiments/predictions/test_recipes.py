"""Recipes of the public benchmark: which rows they stand for, and what they say that rows do not."""

import math
from pathlib import Path

import pytest

from aicfg.experiments.predictions.batch_rows import Row, read_rows
from aicfg.experiments.predictions.recipes import Told, launch_of, pools_of, recipes
from aicfg.model_specs.layout import Layout

COLUMNS = (
    "row_id,model,system,backend,isl_tokens,osl_tokens,concurrency,mode,gemm_dtype,prefill_dp,prefill_moe_ep,"
    "prefill_workers,decode_tp,decode_dp,decode_moe_ep,decode_workers"
)

ANY = Told("vllm", "", "", "", (1, 2), "", "", 1, 1)


def pooled(tmp_path: Path, clients: int, decode: str, more: str = "", value: str = "") -> Row:
    """A row of DeepSeek-R1 on GB200, TensorRT-LLM, one prefill worker; ``decode``: its columns."""
    line = f"a,nvidia/DeepSeek-R1,gb200,trtllm,8192,1024,{clients},disagg,nvfp4,4,4,1,{decode}"
    path = tmp_path / "rows.csv"
    path.write_text(f"{COLUMNS}{more}\n{line}{value}\n")
    (row,) = read_rows(str(path))
    assert not row.fault
    return row


def launched(tmp_path: Path, line: str) -> Row:
    """An aggregated row: model, system, engine, version, date, format, lengths, clients, tp."""
    path = tmp_path / "one.csv"
    head = "row_id,model,system,backend,backend_version,measured_on,gemm_dtype"
    path.write_text(f"{head},isl_tokens,osl_tokens,concurrency,tp\na,{line}\n")
    (row,) = read_rows(str(path))
    assert not row.fault
    return row


def test_the_first_recipe_that_matches_holds(tmp_path: Path) -> None:
    """SGLang looks for requests every ten steps below 16 clients, every thirty from there, on H200 always."""
    line = "deepseek-ai/DeepSeek-R1,{},sglang,0.5.9,2026-03-25,nvfp4,1024,1024,{},8"
    cases = (("b200_sxm", 8, 10.0), ("b200_sxm", 16, 30.0), ("h200_sxm", 16, 1.0))
    for system, clients, interval in cases:
        assert launched(tmp_path, line.format(system, clients)).launch.receive_interval == interval


def test_rows_of_no_recipe(tmp_path: Path) -> None:
    """Engine defaults; lengths are drawn in dated runs of the benchmark's lengths alone."""
    line = "Qwen/Qwen3-32B,h100_sxm,vllm,0.12.0,{},,{},16,4"
    for date, lengths, drawn in (
        ("", "1024,1024", False),
        ("2026-01-05", "1024,1024", True),
        ("2026-01-05", "1024,512", False),
    ):
        launch = launched(tmp_path, line.format(date, lengths)).launch
        assert (launch.drawn, launch.receive_interval, launch.memory_fraction) == (drawn, 1.0, None)


def test_attention_that_rows_record_wrongly(tmp_path: Path) -> None:
    """Scripts of 2025 split attention by data from 64 clients on, and recorded tp; later ones record dp."""
    line = "deepseek-ai/DeepSeek-R1,b200_sxm,trtllm,{},2025-11-02,nvfp4,8192,1024,{},8"
    for version, clients, layout in (
        ("", 64, Layout(dp=8, moe_ep=8)),
        ("", 32, Layout(tp=8)),
        ("1.2.0rc6", 64, Layout(tp=8)),
    ):
        ((_, worker),) = launched(tmp_path, line.format(version, clients)).workers
        assert worker.layout == layout


def test_every_recipe_states_a_launch_and_a_source() -> None:
    """All settings are those of a launch, and each entry says where it was read."""
    for each in recipes():
        for recipe in each.recipes:
            assert recipe.source
            assert launch_of(recipe, None, ANY).drawn


@pytest.mark.parametrize(
    ("kind", "layout"),
    [
        ("tp", Layout(tp=8, moe_tp=8)),
        ("tep", Layout(tp=8, moe_ep=8)),
        ("dp", Layout(dp=8, moe_tp=8)),
        ("dep", Layout(dp=8, moe_ep=8)),
    ],
)
def test_a_name_says_how_workers_are_split(kind: str, layout: Layout) -> None:
    """Attention by tensor or by data, experts by tensor or whole; workers and batch stand beside."""
    pools = pools_of(f"ctx2_gen5_{kind}8_batch64")
    assert pools.decode == layout
    assert (pools.prefills, pools.decodes, pools.batch) == (2, 5, 64)


def test_clients_tell_pools_of_one_shape_apart(tmp_path: Path) -> None:
    """Four decode workers of 8 GPUs took one request each in one recipe, and 16 in another."""
    one, many = (pooled(tmp_path, clients, "8,1,8,4") for clients in (5, 44))
    assert (one.launch.decode_batch_limit, many.launch.decode_batch_limit) == (1.0, 16.0)
    assert one.launch.drawn


def test_a_recipe_knows_better_how_attention_was_split(tmp_path: Path) -> None:
    """A row that records attention ranks where the recipe has none runs as the recipe says."""
    row = pooled(tmp_path, 44, "1,8,8,4")
    assert row.workers[1][1].layout == Layout(tp=8, moe_ep=8)
    assert row.workers[0][1].layout == Layout(dp=4, moe_ep=4)


def test_a_row_may_say_its_places(tmp_path: Path) -> None:
    """A column goes before the recipe; pools of no recipe have no limit."""
    told = pooled(tmp_path, 44, "8,1,8,4", ",decode_batch_limit", ",32")
    assert told.launch.decode_batch_limit == 32.0
    assert pooled(tmp_path, 45, "8,1,8,4").launch.decode_batch_limit == math.inf


def test_every_name_of_pools_is_sound() -> None:
    """All names parse, and no recipe lists the same shape and clients twice."""
    for recipe in recipes()[0].recipes:
        seen: set[object] = set()
        for name, clients in recipe.pools.items():
            pools = pools_of(name)
            keys = {(pools.prefills, pools.decodes, pools.gpus, each) for each in clients or (0,)}
            assert not keys & seen, name
            seen |= keys
        assert recipe.pools and recipe.source
