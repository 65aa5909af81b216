"""Whether a plan keeps the user's constraints: read off the plan, term by term, without the rows."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import product

from aicfg.solver.constraints import Constraint, Monomial, Polynomial, parse
from aicfg.solver.points import Ask, Points, Role
from aicfg.solver.quantities import Quantities

Used = Mapping[int, int]
Choice = dict[Role, int]
"""One point in use of each role that a constraint names."""


def broken_constraints(points: Points, ask: Ask, used: Used, rates: Mapping[str, int]) -> list[str]:
    """``user(n)`` of each constraint that the plan breaks; ``rates``: its micro-tokens/s and -requests/s."""
    found = []
    for number, text in enumerate(ask.constraints, 1):
        if not _Judge(points, ask, used, rates).holds(parse(text)):
            found.append(f"user({number})")
    return found


class _Judge:
    """The figures of one plan, by the names of constraints."""

    def __init__(self, points: Points, ask: Ask, used: Used, rates: Mapping[str, int]) -> None:
        self.points, self.used, self.rates = points, used, rates
        self.names = Quantities(points, ask)

    def holds(self, constraint: Constraint) -> bool:
        """Whether every choice of one type in use of each role named holds it."""
        return all(self._holds(constraint, choice) for choice in self._choices(constraint))

    def _choices(self, constraint: Constraint) -> Iterator[Choice]:
        sides = (constraint.left, *constraint.right)
        monomials = [m for side in sides for m in side if not any(self.names.is_total(n) for n in m)]
        roles = sorted({role for m in monomials for n in m if (role := self.names.role(n)) is not None})
        own = [[p for p in self.used if self.points.role[p] == role] for role in roles]
        for chosen in product(*own):
            yield dict(zip(roles, chosen, strict=True))

    def _holds(self, constraint: Constraint, choice: Choice) -> bool:
        left = self._value(constraint.left, choice)
        rights = [self._value(side, choice) for side in constraint.right]
        if constraint.operator in ("in", "==", "!="):
            return (left in rights) != (constraint.operator == "!=")
        (right,) = rights
        assert not isinstance(left, str) and not isinstance(right, str)
        if constraint.operator in ("<=", "<"):
            return left <= right if constraint.operator == "<=" else left < right
        return left >= right if constraint.operator == ">=" else left > right

    def _value(self, side: Polynomial, choice: Choice) -> Fraction | str:
        only = next(iter(side)) if len(side) == 1 else ()
        if len(only) == 1:
            role = self.names.role(only[0])
            if role is not None and self.names.is_text(only[0]):
                texts, of_point = self.names.text(only[0])
                return texts[of_point[choice[role]]]
            if role is None and not self.names.is_total(only[0]):
                return only[0]
        return sum((factor * self._term(names, choice) for names, factor in side.items()), Fraction(0))

    def _term(self, names: Monomial, choice: Choice) -> Fraction:
        totals = [name for name in names if self.names.is_total(name)]
        others = [name for name in names if name not in totals]
        if totals:
            return self._total(totals[0], others)
        value = Fraction(1)
        for name in others:
            role = self.names.role(name)
            assert role is not None
            value *= self._attribute(name, choice[role])
        return value

    def _attribute(self, name: str, p: int) -> Fraction:
        array, unit = self.names.attribute(name)
        return Fraction(int(array[p]), unit)

    def _total(self, name: str, attributes: list[str]) -> Fraction:
        """A total of the plan; with attributes, the sum of their products over the workers."""
        if name in self.rates:
            return Fraction(self.rates[name], 1_000_000)
        if name == "types":
            return Fraction(len({int(self.points.worker_type[p]) for p in self.used}))
        array, unit = self.names.per_worker(name)
        total = Fraction(0)
        for p, n in self.used.items():
            each = Fraction(int(array[p]) * n, unit)
            for attribute in attributes:
                each *= self._attribute(attribute, p) if array[p] else 0
            total += each
        return total
