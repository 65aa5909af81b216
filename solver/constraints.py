"""The user's own constraints: their grammar, read without evaluating anything.

    constraint := sum ("<=" | ">=" | "==" | "<" | ">" | "!=") sum  |  sum "in" "[" sum {"," sum} "]"
    sum        := product {("+" | "-") product}
    product    := factor {("*" | "/") factor}
    factor     := number | name | "'" text "'" | "-" factor | "(" sum ")"
    name       := word {"." word}

A side is kept as a polynomial over names with exact fractions; what a name means is for ``quantities``.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from aicfg.model_specs.errors import InputError

Monomial = tuple[str, ...]
Polynomial = dict[Monomial, Fraction]

OPERATORS = ("<=", ">=", "==", "!=", "<", ">", "in")
LONGEST = 1000
"""Characters of a constraint; also bounds how deeply brackets can nest."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d{1,2})?)|(?P<name>[A-Za-z_]\w*(?:\.\w+)*)"
    r"|'(?P<text>[^']*)'|\"(?P<quoted>[^\"]*)\"|(?P<sign><=|>=|==|!=|[-+*/()<>,\[\]=]))"
)


@dataclass(frozen=True)
class Constraint:
    """``left operator right``; ``right`` has one polynomial, or, after ``in``, one a member."""

    text: str
    left: Polynomial
    operator: str
    right: tuple[Polynomial, ...]


def parse(text: str) -> Constraint:
    """The constraint that ``text`` states.

    Raises
    ------
    InputError
        Naming the constraint, the place and what would be accepted there.
    """
    return _Reader(text).constraint()


class _Reader:
    """Recursive descent over the tokens of one constraint."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > LONGEST:
            raise InputError(f"constraint {text[:40]!r}...: longer than {LONGEST} characters")
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> list[tuple[str, str]]:
        found, position = [], 0
        while self.text[position:].strip():
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._error(f"cannot read {self.text[position:].strip()[:12]!r}")
            kind = str(match.lastgroup)
            found.append(("text" if kind == "quoted" else kind, match[kind]))
            position = match.end()
        return found

    def _error(self, what: str) -> InputError:
        return InputError(f"constraint {self.text!r}: {what}")

    def _next(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "its end")

    def _take(self, *signs: str) -> str | None:
        """The next token, if it is one of ``signs``."""
        kind, value = self._next()
        if (kind == "sign" or value == "in") and value in signs:
            self.at += 1
            return value
        return None

    def constraint(self) -> Constraint:
        left = self.sum()
        operator = self._take(*OPERATORS)
        if operator is None:
            raise self._error(f"expected one of {' '.join(OPERATORS)}, got {self._next()[1]!r}")
        right = self._members() if operator == "in" else (self.sum(),)
        if self._next()[0] != "end":
            hint = "; state a range as two constraints" if self._next()[1] in OPERATORS else ""
            raise self._error(f"expected its end, got {self._next()[1]!r}{hint}")
        return Constraint(self.text, left, operator, right)

    def _members(self) -> tuple[Polynomial, ...]:
        if not self._take("["):
            raise self._error("expected a list such as [2, 4, 8] behind 'in'")
        found = [self.sum()]
        while self._take(","):
            found.append(self.sum())
        if not self._take("]"):
            raise self._error(f"expected , or ] in the list, got {self._next()[1]!r}")
        return tuple(found)

    def sum(self) -> Polynomial:
        total = self.product()
        while sign := self._take("+", "-"):
            total = added(total, self.product(), 1 if sign == "+" else -1)
        return total

    def product(self) -> Polynomial:
        total = self.factor()
        while sign := self._take("*", "/"):
            factor = self.factor()
            if sign == "/":
                if set(factor) - {()} or not factor.get(()):
                    raise self._error("only a number other than 0 can divide; multiply both sides instead")
                factor = {(): 1 / factor[()]}
            total = multiplied(total, factor)
        return total

    def factor(self) -> Polynomial:
        if self._take("-"):
            return multiplied({(): Fraction(-1)}, self.factor())
        if self._take("("):
            inner = self.sum()
            if not self._take(")"):
                raise self._error(f"expected ) but got {self._next()[1]!r}")
            return inner
        kind, value = self._next()
        self.at += 1
        if kind == "number":
            return {(): Fraction(value)}
        if kind in ("name", "text") and value != "in":
            return {(value,): Fraction(1)}
        raise self._error(f"expected a number or a name, got {value!r}")


def added(one: Polynomial, other: Polynomial, factor: int = 1) -> Polynomial:
    """``one + factor * other``, without terms that cancel."""
    total = {each: one.get(each, Fraction(0)) + factor * other.get(each, Fraction(0)) for each in one | other}
    return {each: value for each, value in total.items() if value}


def multiplied(one: Polynomial, other: Polynomial) -> Polynomial:
    """The product, factors of a monomial in alphabetical order."""
    total: Polynomial = {}
    for names, value in one.items():
        for others, factor in other.items():
            total = added(total, {tuple(sorted(names + others)): value * factor})
    return total


def numbered(text: str) -> tuple[str, str, str] | None:
    """Left side, operator and right side of a constraint with <= or >=, as written; None for others."""
    match = re.fullmatch(r"(.*?)(<=|>=)(.*)", text, re.DOTALL)
    return (match[1].strip(), match[2], match[3].strip()) if match else None


def written(names: Monomial) -> str:
    """A monomial as the user may have written it."""
    return " * ".join(names) or "1"
