"""Utilisation that experts borrow where their own shape or format was not measured."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

from aicfg.hardware.estimate import Loan, by_nearness, first_loan, level_ratio, other_classes, same_class
from aicfg.hardware.expert_tables import ExpertShape, expert_sweep, measured_skew
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.sweep import Sweep
from aicfg.hardware.tables.store import MissingDataError


def experts_loan(pricing: Pricing, shape: ExpertShape) -> Loan:
    """Utilisation over tokens, lent by the nearest shape at the same degrees and skew.

    Of the served format, else of formats of its bytes and arithmetic, else of the nearest other format.
    """
    dtype = pricing.dtype("moe")
    measured = list(dict.fromkeys(str(key[0]) for key in pricing.tables.keys("moe")))

    def open_loan() -> Loan:
        groups = [[dtype], same_class("moe", dtype, measured)]
        groups += [[other] for other in other_classes("moe", dtype, measured)]
        candidates = [partial(_nearest, pricing, shape, dtype, lenders) for lenders in groups]
        what = f"{dtype} experts of {shape.hidden} x {shape.inner}"
        return first_loan(candidates, f"{what} on {pricing.system.name}, {pricing.tables.backend}")

    return pricing.table(("moe", dtype, shape, "loan"), open_loan)


def _nearest(pricing: Pricing, shape: ExpertShape, dtype: str, lenders: Iterable[str]) -> Loan | None:
    """The curve of the nearest shape among those that the formats ``lenders`` were measured in."""
    curves = [
        (lender, other, sweep) for lender in lenders for other, sweep in _curves(pricing, shape, lender)
    ]
    nearest = by_nearness(_features(shape), [_features(other) for _, other, _ in curves])
    if not nearest:
        return None
    lender, _, sweep = curves[nearest[0]]
    alike = lender == dtype or same_class("moe", dtype, [lender])
    return sweep.loan(1.0 if alike else level_ratio("moe", dtype, lender))


def _curves(pricing: Pricing, shape: ExpertShape, dtype: str) -> Iterator[tuple[ExpertShape, Sweep]]:
    """The shapes that a format was measured in at these degrees and this skew."""
    skew = measured_skew(pricing, "moe", shape.skew, dtype)
    for key in pricing.tables.keys("moe"):
        if key[:2] == (dtype, skew):
            topk, experts, hidden, inner = (int(value) for value in key[2:6])
            other = replace(shape, topk=topk, experts=experts, hidden=hidden, inner=inner, slots=experts)
            try:
                yield other, expert_sweep(pricing, "moe", other, dtype)
            except MissingDataError:
                continue


def _features(shape: ExpertShape) -> tuple[int, int, int, int]:
    """What makes two shapes alike."""
    return shape.topk, shape.experts, shape.hidden, shape.inner
