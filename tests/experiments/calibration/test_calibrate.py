"""aicfg calibrate: coefficients from measured runs, error bars out of fold, and a profile file."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from aicfg.experiments.calibration.calibrate import calibrate, folds
from aicfg.experiments.calibration.decisions import best_margin
from aicfg.experiments.calibration.fit import coefficients, descend
from aicfg.experiments.calibration.samples import Samples, read_samples
from aicfg.experiments.predictions.batch import predict
from aicfg.experiments.predictions.batch_rows import read_rows
from aicfg.hardware.laws import FlowLaw, Host
from aicfg.hardware.profile import Profile, load_profile
from aicfg.hardware.runs import Latency
from aicfg.model_specs.errors import InputError

PHYSICAL = load_profile("physical")
COLUMNS = "row_id,model,system,backend,isl_tokens,osl_tokens,concurrency,tp,ttft_ms,tpot_ms"
LENGTHS = ((1024, 256), (2048, 512), (4096, 512), (1024, 1024))


def rows_csv(folder: Path, truth: Profile) -> Path:
    """Sixteen dense runs whose latencies are those of ``truth``."""
    path = folder / "runs.csv"
    lines = [
        f"r{isl}x{osl}c{clients},Qwen/Qwen3-32B,h100_sxm,vllm,{isl},{osl},{clients},4,,"
        for isl, osl in LENGTHS
        for clients in (4, 8, 16, 32, 64, 128)
    ]
    path.write_text("\n".join((COLUMNS, *lines)) + "\n", encoding="utf-8")
    found = predict(read_rows(str(path)), truth)
    filled = [f"{line[:-1]}{each.ttft_ms},{each.tpot_ms}" for line, each in zip(lines, found, strict=True)]
    path.write_text("\n".join((COLUMNS, *filled)) + "\n", encoding="utf-8")
    return path


def slow_world() -> Profile:
    """A world whose prompts delay others longer, and attention too, than the prior says."""
    law = PHYSICAL.aggregated["vllm"]
    assert isinstance(law, FlowLaw)
    laws = PHYSICAL.aggregated | {"vllm": msgspec.structs.replace(law, interference=1.3)}
    hosts = PHYSICAL.host | {"vllm": Host(2.0, 10.0, 1.0, 0.35)}
    return msgspec.structs.replace(PHYSICAL, host=hosts, aggregated=laws)


def test_a_known_world_is_found_again(tmp_path: Path) -> None:
    """Coefficients that made the data come back, to what the prior's weight leaves."""
    found = calibrate(str(rows_csv(tmp_path, slow_world())), PHYSICAL, "mine")
    host = found.profile.host["vllm"]
    law = found.profile.aggregated["vllm"]
    assert isinstance(law, FlowLaw)
    assert 1.15 < law.interference < 1.4
    assert 0.2 < host.us_per_request_and_layer < 0.45
    (scored,) = found.scored
    before, after = (
        np.abs(each.tpot_ms / scored.samples.tpot_ms - 1).mean() for each in (scored.before, scored.after)
    )
    assert after < before / 2
    assert found.profile.host["sglang"] == PHYSICAL.host["sglang"]


def test_folds_keep_cases_whole(tmp_path: Path) -> None:
    """Rows of one model, system and lengths are in one fold, and there are several folds."""
    (samples,) = read_samples(str(rows_csv(tmp_path, PHYSICAL)), PHYSICAL)
    by_case: dict[tuple[int, int], set[str]] = {}
    for row, fold in zip(samples.rows, folds(samples), strict=True):
        by_case.setdefault((row.isl, row.osl), set()).add(fold)
    assert [len(each) for each in by_case.values()] == [1] * len(LENGTHS)
    assert len(set(folds(samples))) == len(LENGTHS)


def test_the_file_is_a_profile_and_the_command_repeats_itself(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """The same file gives the same profile to the byte; it loads, and predicts what was measured."""
    measured = rows_csv(tmp_path, slow_world())
    words = ("calibrate", measured, "--profile", "physical", "--out")
    first = run(*words, tmp_path / "mine.yaml", "--png", tmp_path / "mine.png")
    assert first.code == 0
    assert "engine vllm" in first.out
    assert (tmp_path / "mine.png").stat().st_size > 5000
    text = (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    assert run(*words, tmp_path / "mine.yaml").code == 0
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == text
    found = predict(read_rows(str(measured)), load_profile(str(tmp_path / "mine.yaml")))
    with measured.open(encoding="utf-8") as file:
        for line, each in zip(csv.DictReader(file), found, strict=True):
            assert each.tpot_ms == pytest.approx(float(line["tpot_ms"]), rel=0.1)


def test_every_coefficient_is_in_the_profile() -> None:
    """Paths, units and meanings of ``coefficients.yaml`` name numbers of every engine; none is of a model."""
    facts = msgspec.to_builtins(load_profile("aicfg"))
    for stage in coefficients().values():
        for each in stage:
            assert each.unit
            assert each.meaning
            for backend in each.backends or ("vllm", "sglang", "trtllm"):
                value = facts
                for key in each.keys(backend):
                    value = value[key]
                assert isinstance(value, float)


def test_the_search_finds_a_bowl() -> None:
    """A pattern search ends within its last step of the least value."""
    at = np.array([0.7, -1.3, 2.0])
    assert descend(lambda x: float(((x - at) ** 2).sum()), 3) == pytest.approx(at, abs=0.07)


def test_the_margin_pays_where_predictions_are_low(tmp_path: Path) -> None:
    """Predictions 10 % too low on one of two layouts ask for a margin that steers clear of it."""
    (samples,) = read_samples(str(rows_csv(tmp_path, PHYSICAL)), PHYSICAL)
    flattered = Samples(**vars(samples))
    latency = samples.predicted(PHYSICAL)
    low = Latency(latency.ttft_ms, latency.tpot_ms * 0.93)
    assert best_margin([(flattered, low)]) >= 1.07
    assert best_margin([(samples, Latency(samples.ttft_ms, samples.tpot_ms))]) < 1.05


def test_bad_input_is_one_line(run: Callable[..., Any], tmp_path: Path) -> None:
    """No measured columns, another law, an output that is no YAML file."""
    path = tmp_path / "x.csv"
    path.write_text(COLUMNS.replace(",tpot_ms", "") + "\nr,m,s,b,1,2,3,1,5\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column 'tpot_ms'"):
        read_samples(str(path), PHYSICAL)
    for words, said in (
        (("--out", "x.txt"), "ends in .yaml"),
        (("--out", "x.yaml", "--profile", "aiconfigurator-0.12"), "law `flow`"),
    ):
        code, out, err = run("calibrate", path, *words)
        assert (code, out) == (2, "")
        assert said in err
