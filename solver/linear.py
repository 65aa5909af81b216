"""From a parsed constraint to its rule: terms sorted by what they are of, refused if they are not linear."""

from collections.abc import Callable
from fractions import Fraction
from math import gcd, lcm, prod

import numpy as np
from numpy.typing import NDArray

from aicfg.model_specs.errors import InputError, nearest
from aicfg.solver.constraints import Constraint, Monomial, Polynomial, added, multiplied, parse, written
from aicfg.solver.points import Ask, IntArray, Points, Role
from aicfg.solver.quantities import Quantities
from aicfg.solver.unique import unique
from aicfg.solver.user import Comparison, Filter, Row, Rule

BoolArray = NDArray[np.bool_]
RATES = ("tokens_per_s", "requests_per_s")


def rule_of(number: int, text: str, points: Points, ask: Ask) -> Rule:
    """What the constraint ``text`` is on ``points``; see ``user.rules``."""
    return _rule(number, parse(text), points, ask)


def _rule(number: int, constraint: Constraint, points: Points, ask: Ask) -> Rule:
    names = Quantities(points, ask)
    sides = (constraint.left, *constraint.right)
    texts = [n for side in sides for monomial in side for n in monomial if names.is_text(n)]
    if texts:
        return _text_rule(number, constraint, names)
    if constraint.operator == "in":
        return _membership(number, constraint, names)
    difference = added(constraint.left, constraint.right[0], -1)
    for monomial in difference:
        names.known(monomial, constraint.text)
    return _Terms(constraint, difference, names).rule(number)


def _membership(number: int, constraint: Constraint, names: Quantities) -> Filter:
    """A number in a list: equal to one member."""
    each = [
        _rule(number, Constraint(constraint.text, constraint.left, "==", (member,)), names.points, names.ask)
        for member in constraint.right
    ]
    filters = [one for one in each if isinstance(one, Filter)]
    if len(filters) < len(each):
        raise _error(constraint, "'in' lists values of one attribute, such as decode.tp in [2, 4]")
    return Filter(number, np.logical_or.reduce([one.keep for one in filters]))


def _text_rule(number: int, constraint: Constraint, names: Quantities) -> Rule:
    """A text attribute beside a text, a list of texts, or another text attribute."""
    sides = [_single(constraint, side) for side in (constraint.left, *constraint.right)]
    if constraint.operator not in ("==", "!=", "in"):
        raise _error(constraint, "texts are compared with ==, != or in only")
    if len(sides) == 2 and not names.is_text(sides[0]):
        sides.reverse()
    attribute, *others = sides
    if len(others) == 1 and names.is_text(others[0]):
        return _same_text(number, constraint, names, (attribute, others[0]))
    texts, of_point = names.text(attribute)
    known = sorted(set(texts))
    for other in others:
        if other not in known:
            given = f"{other!r} is no {attribute.partition('.')[2]} of this experiment"
            raise _error(constraint, f"{given}; there are {', '.join(known)}{nearest(other, known)}")
    inside = np.array([text in others for text in texts])[of_point]
    keep = ~inside if constraint.operator == "!=" else inside
    return Filter(number, keep | (names.points.role != names.role(attribute)))


def _single(constraint: Constraint, side: Polynomial) -> str:
    (monomial, factor), *more = list(side.items()) or [((), Fraction(0))]
    if more or len(monomial) != 1 or factor != 1:
        raise _error(constraint, f"a text cannot be calculated with: {' + '.join(map(written, side))}")
    return monomial[0]


def _same_text(number: int, constraint: Constraint, names: Quantities, both: tuple[str, str]) -> Rule:
    one, other = (names.text(name) for name in both)
    code = {text: i for i, text in enumerate(sorted({*one[0], *other[0]}))}
    lower, upper = (
        np.array([code[text] for text in texts], np.int64)[of_point] for texts, of_point in (one, other)
    )
    lower_role, upper_role = (names.role(name) for name in both)
    assert lower_role is not None and upper_role is not None
    if lower_role == upper_role:
        keep = (lower == upper) if constraint.operator == "==" else (lower != upper)
        return Filter(number, keep | (names.points.role != lower_role))
    if constraint.operator != "==":
        raise _error(constraint, f"{both[0]} != {both[1]} compares two roles: either could be larger")
    return Comparison(number, lower_role, lower, upper_role, upper, True)


def _error(constraint: Constraint, why: str) -> InputError:
    return InputError(f"constraint {constraint.text!r}: {why}")


class _Terms:
    """``polynomial operator 0``, its terms sorted into attributes of roles, totals, and a number."""

    def __init__(self, constraint: Constraint, polynomial: Polynomial, names: Quantities) -> None:
        self.constraint, self.names, self.operator = constraint, names, constraint.operator
        if self.operator in (">=", ">"):
            polynomial = multiplied({(): Fraction(-1)}, polynomial)
            self.operator = {">=": "<=", ">": "<"}[self.operator]
        self.number = polynomial.get((), Fraction(0))
        self.attributes: dict[Role, Polynomial] = {}
        self.totals: list[tuple[Monomial, Fraction]] = []
        for monomial, factor in polynomial.items():
            if monomial:
                self._sort(monomial, factor)

    def _sort(self, monomial: Monomial, factor: Fraction) -> None:
        totals = [name for name in monomial if self.names.is_total(name)]
        roles = {self.names.role(name) for name in monomial} - {None}
        if len(totals) > 1:
            raise self._not_linear(monomial, "a product of two totals")
        if totals:
            part, _, total = totals[0].rpartition(".")
            own = roles <= {Role[part.upper()]} if part in ("agg", "prefill", "decode") else False
            if roles and not (own and total in ("workers", "gpus")):
                raise self._not_linear(
                    monomial, "attributes multiply only the workers or gpus of their own role"
                )
            self.totals.append((monomial, factor))
            return
        if len(roles) > 1:
            raise self._not_linear(monomial, "a product of attributes of two roles")
        role = roles.pop()
        assert role is not None
        self.attributes.setdefault(role, {})[monomial] = factor

    def _not_linear(self, monomial: Monomial, why: str) -> InputError:
        return _error(self.constraint, f"{written(monomial)} is not linear: {why}")

    def rule(self, number: int) -> Rule:
        """The rule that the sorted terms make."""
        if self.totals and self.attributes:
            one = written(next(iter(next(iter(self.attributes.values())))))
            raise _error(
                self.constraint,
                f"{written(self.totals[0][0])} is of the plan and {one} of each type: no one linear row",
            )
        if self.totals:
            return self._row(number)
        if len(self.attributes) == 1:
            return self._filter(number)
        if len(self.attributes) == 2:
            return self._comparison(number)
        if self.attributes:
            raise _error(self.constraint, "compares three roles; state it as comparisons of two")
        raise _error(self.constraint, "names no quantity of a plan")

    def _values(self, role: Role, common: int, sign: int, number: int) -> IntArray:
        """``sign`` times the role's terms at every point, plus ``number``, both times ``common``."""
        parts = []
        for monomial, factor in self.attributes[role].items():
            arrays = [self.names.attribute(name) for name in monomial]
            unit = prod(per for _, per in arrays)
            parts.append(([array for array, _ in arrays], int(sign * factor / unit * common)))
        return self._sum(parts, number)

    def _common(self) -> int:
        """The common denominator of all attribute terms and the number."""
        found = [self.number.denominator]
        for terms in self.attributes.values():
            for monomial, factor in terms.items():
                found.append((factor / prod(self.names.attribute(name)[1] for name in monomial)).denominator)
        return lcm(*found)

    def _sum(self, parts: list[tuple[list[IntArray], int]], number: int) -> IntArray:
        """Sum of products of arrays times factors, and a number, when none of it can exceed 2^53."""
        largest = abs(number) + sum(
            abs(factor) * prod(int(np.abs(array).max(initial=0)) for array in arrays)
            for arrays, factor in parts
        )
        if largest >= 2**53:
            raise _error(self.constraint, "its numbers are too large, or have too many decimals, to be exact")
        total = np.full(len(self.names.points), number, np.int64)
        for arrays, factor in parts:
            total += factor * np.prod(np.stack(arrays), axis=0)
        return total

    def _filter(self, number: int) -> Filter:
        (role,) = self.attributes
        common = self._common()
        total = self._values(role, common, 1, int(self.number * common))
        compare: dict[str, Callable[[IntArray], BoolArray]] = {
            "<=": lambda x: x <= 0, "<": lambda x: x < 0, "==": lambda x: x == 0, "!=": lambda x: x != 0,
        }  # fmt: skip
        return Filter(number, compare[self.operator](total) | (self.names.points.role != role))

    def _comparison(self, number: int) -> Comparison:
        if self.operator not in ("<=", "=="):
            hint = "either could be larger" if self.operator == "!=" else "use <= or >="
            raise _error(
                self.constraint, f"{self.constraint.operator} between two roles is not linear: {hint}"
            )
        lower_role, upper_role = self.attributes
        common = self._common()
        return Comparison(
            number,
            lower_role,
            self._values(lower_role, common, 1, int(self.number * common)),
            upper_role,
            self._values(upper_role, common, -1, 0),
            self.operator == "==",
        )

    def _row(self, number: int) -> Row:
        if self.operator not in ("<=", "=="):
            raise _error(
                self.constraint, f"{self.constraint.operator} of totals is not linear; use <=, >= or =="
            )
        parts, rates = self._total_parts()
        denominator = lcm(
            *(factor.denominator for _, factor in parts),
            *(factor.denominator for factor in rates.values()),
            self.number.denominator,
        )
        per_worker = self._sum([([array], int(factor * denominator)) for array, factor in parts], 0)
        figures = [int(rates[name] * denominator) for name in (*RATES, "types")]
        most = int(-self.number * denominator)
        common = max(gcd(*unique(per_worker).tolist(), *figures, most), 1)
        tokens, requests, types = (figure // common for figure in figures)
        return Row(
            number, per_worker // common, tokens, requests, types, most // common, self.operator == "=="
        )

    def _total_parts(self) -> tuple[list[tuple[IntArray, Fraction]], dict[str, Fraction]]:
        """What a worker adds, by terms; and the factors of the plan's rates and of its number of types."""
        parts, rates = [], dict.fromkeys((*RATES, "types"), Fraction(0))
        for monomial, factor in self.totals:
            (total,) = (name for name in monomial if self.names.is_total(name))
            if total in rates:
                rates[total] += factor
                continue
            array, unit = self.names.per_worker(total)
            for name in monomial:
                if name != total:
                    more, per = self.names.attribute(name)
                    array, unit = array * more, unit * per
            parts.append((array, factor / unit))
        for rate in RATES:
            if rates[rate] > 0 or (rates[rate] and self.operator == "=="):
                raise _error(
                    self.constraint,
                    f"{rate} has lower bounds only: a plan's rate is the lower of its two roles' sums",
                )
        return parts, rates
