"""Each lemma of pruning, against brute force: the optimum survives."""

import numpy as np
import oracle
import pytest
from synthetic import make_points, realistic, small

from aicfg.solver.criteria import criteria
from aicfg.solver.order import rates
from aicfg.solver.points import Ask, Points, Pool, Role
from aicfg.solver.prune import (
    best_under_caps,
    fastest_of_size,
    hopeful,
    not_outdone_by_copies,
    prune,
    with_partner,
)
from aicfg.solver.within import within

LEMMAS = {
    "same size": (False, lambda points, ask: fastest_of_size(points, rates(points))),
    "k copies": (False, lambda points, ask: not_outdone_by_copies(points, criteria(points, ask), ask)),
    "k copies, coupled": (
        True,
        lambda points, ask: not_outdone_by_copies(points, criteria(points, ask), ask),
    ),
    "caps": (True, best_under_caps),
    "hopeless": (True, hopeful),
    "partner": (False, lambda points, ask: with_partner(points)),
    "all": (False, prune),
    "all, coupled": (True, prune),
}


def value(points: Points, ask: Ask) -> int | None:
    """The optimum by brute force."""
    best = oracle.best(points, ask)
    return best[0] if best else None


@pytest.mark.parametrize(
    ("lemma", "types"),
    [(lemma, types) for lemma in LEMMAS for types in (1, 2) if (lemma, types) != ("hopeless", 2)],
)
def test_the_optimum_survives(lemma, types):
    """What a lemma leaves has the optimum of all, for one type a role and (but for one lemma) for two."""
    coupled, kept = LEMMAS[lemma]
    removed = 0
    for seed in range(30):
        points, ask = small(seed, "disagg", pools=1 + seed % 2, coupled=coupled, types=types)
        points = points.take(within(points, ask))
        left = points.take(kept(points, ask))
        removed += len(points) - len(left)
        assert value(left, ask) == value(points, ask), seed
    assert removed > 0


def test_agg_survives():
    """The same for aggregated serving, where only rates count."""
    for seed in range(50):
        points, ask = small(seed, "agg", pools=1 + seed % 2)
        points = points.take(within(points, ask))
        assert value(points.take(prune(points, ask)), ask) == value(points, ask), seed


def test_pruning_is_in_canonical_order_and_independent_of_the_input_order():
    """The program's points are the same, in the same order, for shuffled points."""
    points, ask = small(11, "disagg", coupled=True)
    points = points.take(within(points, ask))
    shuffled = points.take(np.random.default_rng(0).permutation(len(points)))
    first, second = points.take(prune(points, ask)), shuffled.take(prune(shuffled, ask))
    assert first.batch.tolist() == second.batch.tolist()
    assert first.worker_type.tolist() == second.worker_type.tolist()


def test_a_coupling_is_never_crossed():
    """A slow prefill that is the only partner of a decode group stays, however fast the other group's is."""
    shared = {"role": 1, "gpus": 1, "tp": 1, "batch": 1}
    points = make_points(
        [shared | {"worker_type": w, "group": w, "request_rate": 1 + 9 * w} for w in (0, 1)]
        + [shared | {"role": 2, "worker_type": 2 + w, "group": w, "request_rate": 5} for w in (0, 1)]
    )
    ask = Ask((Pool("a", 8, 8),), "disagg", 1, 1)
    assert len(prune(points, ask)) == 4


def test_programs_are_small():
    """Eight thousand points leave a few columns a role."""
    points, ask = realistic(Role.AGG, 16, 512), Ask((Pool("a", 32, 8),), "agg", 500, 499, tpot_ns=25_000_000)
    assert len(prune(points.take(within(points, ask)), ask)) <= 10
