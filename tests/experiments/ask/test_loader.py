"""Files, mappings and objects into experiments."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from aicfg.experiments.ask.loader import load
from aicfg.experiments.ask.schema import Experiment, Fleet, Serving, Sla, Workload
from aicfg.model_specs.errors import InputError

MAPPING = {"model": "m", "workload": {"isl": 10, "osl": 20}, "fleet": {"system": "s", "gpus": 4}}

SEVERAL = """\
defaults:
  model: m
  workload: {isl: 10, osl: 20}
  sla: {ttft_ms: 100, tpot_ms: 10}
  fleet: {system: s, gpus: 4}
  serving: {search: {decode: {tp: [1, 2], max_batch: 8}}}
experiments:
  plain: {}
  wide: {fleet: {gpus: 64}, serving: {search: {decode: {tp: [8]}}}}
  patient:
    sla: {ttft_ms: null, tpot_ms: 20}
"""


def test_defaults_of_an_experiment(write: Callable[..., Path]) -> None:
    """The smallest experiment has every default, and its file's name."""
    path = write("model: m\nworkload: {isl: 10, osl: 20}\nfleet: {system: s, gpus: 4}\n", "my case (1).yaml")
    (experiment,) = load(path)
    assert experiment.name == "my-case-1-"
    assert experiment.sla == Sla()
    assert experiment.serving == Serving(backend="vllm", mode="auto", types_per_role=1)
    assert experiment.workload.prefix == 0
    assert (experiment.objective, experiment.profile) == ("tokens_per_s", "aicfg")


def test_the_three_ways_in_agree(write: Callable[..., Path]) -> None:
    """A file, a mapping and an object of the same content are the same experiment."""
    written = Experiment(
        name="n", model="m", workload=Workload(isl=10, osl=20), fleet=Fleet(system="s", gpus=4)
    )
    from_file = load(write(msgspec.json.encode(written)))
    assert from_file == load({"name": "n", **MAPPING}) == load(written) == [written]


def test_an_object_is_checked_too() -> None:
    """An Experiment built in Python with a bad value is refused like a file with it."""
    bad = Experiment(model="m", workload=Workload(isl=0, osl=20), fleet=Fleet(system="s", gpus=4))
    with pytest.raises(
        InputError, match=r"experiment: workload\.isl: missing; expected a whole number of tokens"
    ):
        load(bad)


@pytest.mark.parametrize("source", [3, None, ["a"], {"model": object()}, {1: 2}])
def test_what_is_no_experiment(source: object) -> None:
    """Anything else from Python is refused in one line."""
    with pytest.raises(InputError) as caught:
        load(source)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value).replace("\nexperiment: ", "; ")


def test_a_mapping_that_holds_itself() -> None:
    """A mapping without end is refused, not followed."""
    endless: dict[str, object] = {}
    endless["model"] = endless
    with pytest.raises(InputError, match="not plain values"):
        load(endless)


def test_several_experiments_share_defaults(write: Callable[..., Path]) -> None:
    """Defaults are merged key by key; lists are replaced whole; null takes a bound away."""
    plain, wide, patient = load(write(SEVERAL))
    assert [plain.name, wide.name, patient.name] == ["plain", "wide", "patient"]
    assert plain.serving.search.decode.tp == (1, 2)
    assert wide.fleet == Fleet(system="s", gpus=64)
    assert wide.serving.search.decode.tp == (8,)
    assert wide.serving.search.decode.max_batch == 8
    assert patient.sla == Sla(ttft_ms=None, tpot_ms=20.0)
    assert patient.fleet == plain.fleet


def test_settings_override_every_experiment(write: Callable[..., Path]) -> None:
    """--set puts a value over each experiment, read as YAML and checked with the rest."""
    experiments = load(
        write(SEVERAL), settings=["fleet.gpus=48", "serving.search.agg.tp=[2, 4]", "sla.ttft_ms=null"]
    )
    assert {experiment.fleet.gpus for experiment in experiments} == {48}
    assert {experiment.serving.search.agg.tp for experiment in experiments} == {(2, 4)}
    assert {experiment.sla.ttft_ms for experiment in experiments} == {None}


def test_what_was_understood_loads_again(write: Callable[..., Path]) -> None:
    """An experiment written out with all its defaults is read back as the same."""
    for experiment in load(write(SEVERAL)):
        assert load(msgspec.to_builtins(experiment)) == [experiment]


@pytest.mark.parametrize("mode", ["hybrid", "HYBRID", "Hybrid"])
def test_choices_are_read_in_any_letter_case(mode: str) -> None:
    """Words of a fixed choice become the schema's own."""
    (experiment,) = load({**MAPPING, "serving": {"data_mode": mode, "backend": "vLLM", "mode": "Agg"}})
    serving = experiment.serving
    assert (serving.data_mode, serving.backend, serving.mode) == ("hybrid", "vllm", "agg")


@pytest.mark.parametrize(
    "empty", [{"serving": None}, {"sla": None}, {"serving": {"search": None, "quant": None}}]
)
def test_an_empty_part_is_its_defaults(empty: dict[str, object]) -> None:
    """A key without anything behind it, as a half-written file has it, is the part with its defaults."""
    assert load({**MAPPING, **empty}) == load(MAPPING)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, 0.0),
        ({"nextn": 1, "accepted": 0.8}, 0.8),
        ({"nextn": 2, "acceptance_rates": [0.85, 0.3, 0, 0, 0]}, 0.85 + 0.85 * 0.3),
        ({"nextn": 3, "acceptance_rates": [0.5, 0.5, 0.5]}, 0.875),
        ({"nextn": 2, "acceptance_rates": [0.0, 1.0]}, 0.0),
    ],
)
def test_kept_drafts(given: dict[str, object], kept: float) -> None:
    """What a step keeps is given, or is the sum over i of the product of the first i rates."""
    (experiment,) = load({**MAPPING, "serving": {"speculative": given}})
    assert experiment.serving.speculative.kept == pytest.approx(kept)
