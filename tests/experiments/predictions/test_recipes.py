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


@pytest.mark.parametrize(
    ("version", "date", "weights", "isl", "clients", "by_data"),
    [
        ("", "2025-11-02", "nvfp4", 8192, 64, True),
        ("", "2025-11-02", "nvfp4", 8192, 32, False),
        ("", "2025-11-02", "nvfp4", 1024, 128, False),
        ("", "2025-11-02", "fp8", 1024, 128, True),
        ("1.2.0rc6", "2025-11-02", "nvfp4", 8192, 64, False),
        ("", "2026-02-02", "nvfp4", 8192, 64, False),
        ("", "", "nvfp4", 8192, 64, False),
    ],
)
def test_attention_that_rows_record_wrongly(
    version: str, date: str, weights: str, isl: int, clients: int, by_data: bool, tmp_path: Path
) -> None:
    """Scripts of 2025 split attention by data from a load on; rows say tp, predictions what was run."""
    line = f"deepseek-ai/DeepSeek-R1,b200_sxm,trtllm,{version},{date},{weights},{isl},1024,{clients},8"
    row = launched(tmp_path, line)
    ((_, worker),) = row.workers
    assert worker.layout == (Layout(dp=8, moe_ep=8) if by_data else Layout(tp=8))
    assert row.remark.startswith("run as tp1dp8ep8: recipe ") is by_data


def test_pools_of_untold_clients_are_not_overrun(tmp_path: Path) -> None:
    """A recipe that does not say its clients stands for as many as twice its places."""
    names = [
        (name, recipe) for recipe in recipes()[0].recipes for name, told in recipe.pools.items() if not told
    ]
    assert names
    for name, recipe in names:
        pools = pools_of(name)
        shape = (pools.prefills, pools.decodes, pools.gpus)
        few, many = (
            recipe.pools_for(Told("", "", "", "", (1, 1), "", "", int(n * pools.places), 1, *shape))
            for n in (1, 3)
        )
        assert few is not None
        assert many is None or many.places > pools.places


@pytest.mark.parametrize(
    ("date", "day"),
    [("2025-12-31 00:00:00", "2025-12-31"), ("nan", ""), ("2026-01-05", "2026-01-05")],
)
def test_dates_of_runs(date: str, day: str, tmp_path: Path) -> None:
    """With a time behind, or empty as pandas writes it."""
    row = launched(tmp_path, f"Qwen/Qwen3-32B,h100_sxm,vllm,,{date},,1024,1024,16,4")
    assert row.launch.measured_on == day


def test_a_date_that_is_none_is_said(tmp_path: Path) -> None:
    """American dates are not guessed at."""
    path = tmp_path / "one.csv"
    path.write_text(
        "row_id,model,system,backend,isl_tokens,osl_tokens,concurrency,measured_on\n"
        "a,Qwen/Qwen3-32B,h100_sxm,vllm,1024,1024,16,04/05/2026\n"
    )
    (row,) = read_rows(str(path))
    assert row.fault == "measured_on: got '04/05/2026'; expected a date such as 2026-01-31"


def test_every_recipe_states_a_launch_and_a_source() -> None:
    """All settings are those of a launch, and each entry says where it was read."""
    for each in recipes():
        for recipe in each.recipes:
            assert "@" in recipe.source or "/" in recipe.source
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
