"""Changes of an experiment: how they are written, and what they become."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aicfg.experiments.ask.variants import axis, changed, grid, relaxation, setting, the_experiment
from aicfg.model_specs.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tpot=+20%", "sla.tpot_ms=48.0"),
        ("ttft=2000", "sla.ttft_ms=2000"),
        ("ttft=-12.5%", "sla.ttft_ms=875.0"),
        ("gpus=+20%", "fleet.gpus=9"),
        ("request_latency=1e", None),
        ("tpot", None),
        ("tpot=+5", None),
        ("tpot=20%", None),
    ],
)
def test_relaxations(small: Path, text: str, expected: str | None) -> None:
    """A number stands for itself, a signed share is of what is asked, GPUs are rounded down."""
    experiment = the_experiment(small)
    if expected is None:
        with pytest.raises(InputError, match=r"^--relax .*: expected a number"):
            relaxation(text, experiment)
    else:
        assert relaxation(text, experiment).settings == (expected,)


def test_an_unknown_name_has_a_nearest_match(small: Path) -> None:
    """The line gives the nearest name and all of them."""
    experiment = the_experiment(small)
    with pytest.raises(InputError, match=r"^--relax tpto=3: .*did you mean 'tpot'.* ttft, tpot, [^\n]*$"):
        relaxation("tpto=3", experiment)
    with pytest.raises(InputError, match=r"did you mean 'gpus'"):
        relaxation("fleet.gpus=3", experiment)


def test_a_share_needs_a_bound(small: Path) -> None:
    """A share of a bound that is not there is refused."""
    with pytest.raises(InputError, match=r"has no sla\.request_latency_ms"):
        relaxation("request_latency=+5%", the_experiment(small))


def test_changes_are_checked_by_the_loader(small: Path) -> None:
    """Changes apply together; a fault names the change and the key."""
    experiment = the_experiment(small)
    both = changed(experiment, [setting("fleet.gpus=16"), setting("serving.mode=agg")])
    assert (both.fleet.gpus, both.serving.mode, both.sla) == (16, "agg", experiment.sla)
    with pytest.raises(InputError, match=r"^fleet.gpsu=16: fleet.gpsu: unknown key; did you mean 'gpus'"):
        changed(experiment, [setting("fleet.gpsu=16")])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("sla.tpot_ms=10:60:25", (10, 35, 60)),
        ("sla.tpot_ms=1:1.3:0.1", (1, 1.1, 1.2, 1.3)),
        ("tpot=30:10:-10", (30, 20, 10)),
        ("tpot=5,2.5,5", (5, 2.5)),
        ("tpot=1:2", None),
        ("tpot=1:2:0", None),
        ("tpot=3:2:1", None),
        ("tpot=a,b", None),
        ("tpot=nan,1", None),
        ("tpot=0:1:1e-9", None),
        ("=1,2", None),
    ],
)
def test_axes(text: str, values: tuple[float, ...] | None) -> None:
    """Both ends are included, in decimal steps; lists keep their order; short names stand for their keys."""
    if values is None:
        with pytest.raises(InputError, match=r"^--sweep "):
            axis(text)
    else:
        assert (axis(text).key, axis(text).values) == ("sla.tpot_ms", values)


def test_a_grid_is_every_combination(small: Path) -> None:
    """The last axis runs fastest; a key may stand on one axis only."""
    experiment = the_experiment(small)
    points, experiments = grid(experiment, [axis("tpot=10,20"), axis("gpus=8,16,24")])
    assert points == [(10, 8), (10, 16), (10, 24), (20, 8), (20, 16), (20, 24)]
    assert [(each.sla.tpot_ms, each.fleet.gpus) for each in experiments] == points
    with pytest.raises(InputError, match="twice"):
        grid(experiment, [axis("tpot=10,20"), axis("sla.tpot_ms=30")])


def test_several_experiments_are_refused() -> None:
    """A change needs one experiment to change."""
    body = {"model": "m", "workload": {"isl": 9, "osl": 2}, "fleet": {"system": "h", "gpus": 1}}
    with pytest.raises(InputError, match=r"2 experiments \(a, b\)"):
        the_experiment({"defaults": body, "experiments": {"a": {}, "b": {}}})


POOLS = """\
model: Qwen/Qwen3-32B
workload: {isl: 2000, osl: 200}
fleet: {pools: [{system: h100_sxm, gpus: 9}, {name: spot, system: h100_sxm, gpus: 4}]}
"""


@pytest.mark.parametrize(
    ("text", "gpus"), [("gpus=+50%", (13, 6)), ("spot.gpus=12", (9, 12)), ("h100_sxm.gpus=-40%", (5, 4))]
)
def test_gpus_of_pools(write: Callable[..., Path], text: str, gpus: tuple[int, ...]) -> None:
    """A share is of every pool; one pool goes by its name."""
    experiment = the_experiment(write(POOLS))
    found = changed(experiment, [relaxation(text, experiment)])
    assert tuple(pool.gpus for pool in found.fleet.pools) == gpus


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpus=16", r"the fleet has 2 pools; give a share, or h100_sxm\.gpus=16 or spot\.gpus=16"),
        ("spto.gpus=16", "did you mean 'gpus'"),
    ],
)
def test_gpus_of_which_pool(write: Callable[..., Path], text: str, words: str) -> None:
    """A number of GPUs says of which pool."""
    with pytest.raises(InputError, match=words):
        relaxation(text, the_experiment(write(POOLS)))


def test_a_sweep_over_the_gpus_of_a_pool(write: Callable[..., Path]) -> None:
    """A pool goes by its number or its name; one that is not there is refused with those that are."""
    experiment = the_experiment(write(POOLS))
    for key in ("fleet.pools.1.gpus", "fleet.pools.spot.gpus"):
        _, experiments = grid(experiment, [axis(f"{key}=8:24:8")])
        assert [each.fleet.pools[1].gpus for each in experiments] == [8, 16, 24]
        assert {each.fleet.pools[0].gpus for each in experiments} == {9}
    for key in ("fleet.pools.2.gpus", "fleet.pools.h200_sxm.gpus"):
        with pytest.raises(
            InputError, match=r"fleet\.pools: got entry .*; expected one of 0, 1, h100_sxm, spot"
        ):
            grid(experiment, [axis(f"{key}=8,16")])
