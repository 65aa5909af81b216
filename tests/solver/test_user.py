"""What a constraint becomes on points, and what is refused as not linear."""

from dataclasses import replace

import numpy as np
import pytest
from instances import DISAGG, MICRO, MS, PAIR

from aicfg.model_specs.errors import InputError
from aicfg.solver.judge import broken_constraints
from aicfg.solver.points import Pool, Role
from aicfg.solver.user import Comparison, Filter, Row, rules

ASK = replace(
    DISAGG,
    pools=(Pool("h100_sxm", 8, 8, 2_500_000),),
    labels={"quant.kvcache": ("fp8", "bf16"), "backend": ("vllm", "vllm")},
)


def rule(text: str):
    """The rule of one constraint on the pair: prefill b1, b2 (type 0), decode b4, b16 (type 1)."""
    (only,) = rules(PAIR, replace(ASK, constraints=(text,)))
    return only


@pytest.mark.parametrize(
    ("text", "keep"),
    (
        ("decode.batch <= 4", (1, 1, 1, 0)),
        ("prefill.batch * prefill.tp > 1", (0, 1, 1, 1)),
        ("decode.batch in [4, 5]", (1, 1, 1, 0)),
        ("prefill.ttft_ms <= 100", (1, 0, 1, 1)),
        ("decode.quant.kvcache == bf16", (1, 1, 1, 1)),
        ("prefill.quant.kvcache in [bf16]", (0, 0, 1, 1)),
        ("'fp8' != decode.quant.kvcache", (1, 1, 1, 1)),
        ("prefill.backend == 'vllm'", (1, 1, 1, 1)),
        ("decode.system != h100_sxm", (1, 1, 0, 0)),
        ("agg.batch <= 1", (1, 1, 1, 1)),
        ("decode.quant == 0", (1, 1, 1, 1)),
    ),
)
def test_filters(text, keep):
    """Attributes of one role say nothing of other roles' points."""
    found = rule(text)
    assert isinstance(found, Filter)
    assert found.keep.tolist() == [bool(each) for each in keep]


@pytest.mark.parametrize(
    ("text", "per_worker", "rest"),
    (
        ("gpus <= 48", (1, 1, 2, 2), (0, 0, 0, 48, False)),
        ("decode.workers >= 0.5 * prefill.workers", (1, 1, -2, -2), (0, 0, 0, 0, False)),
        ("h100_sxm.gpus == 6", (1, 1, 2, 2), (0, 0, 0, 6, True)),
        ("decode.batch * decode.workers <= 64", (0, 0, 1, 4), (0, 0, 0, 16, False)),
        ("prefill.tp * prefill.gpus <= 64", (1, 1, 0, 0), (0, 0, 0, 64, False)),
        ("cost <= 100", (1, 1, 2, 2), (0, 0, 0, 40, False)),
        ("tokens_per_s >= 10 * gpus + 5", (10, 10, 20, 20), (-1, 0, 0, -5, False)),
        ("requests_per_s - workers >= 1.5", (2, 2, 2, 2), (0, -2, 0, -3, False)),
        ("types <= 3", (0, 0, 0, 0), (0, 0, 1, 3, False)),
    ),
)
def test_rows(text, per_worker, rest):
    """Totals as a row of whole numbers without a common factor, with an upper bound."""
    found = rule(text)
    assert isinstance(found, Row)
    assert found.per_worker.tolist() == list(per_worker)
    assert (found.tokens, found.requests, found.types, found.most, found.equal) == rest


def test_comparisons():
    """Attributes of two roles: what must not exceed what, numbers moved to the lower side."""
    found = rule("2 * prefill.batch + 1 <= decode.batch / 2")
    assert isinstance(found, Comparison)
    assert (found.lower_role, found.upper_role, found.equal) == (Role.PREFILL, Role.DECODE, False)
    assert found.lower.tolist()[:2] == [6, 10] and found.upper.tolist()[2:] == [4, 16]
    text = rule("prefill.quant.kvcache == decode.quant.kvcache")
    assert isinstance(text, Comparison) and text.equal
    assert text.lower[0] != text.upper[2]


@pytest.mark.parametrize(
    ("text", "why"),
    (
        ("prefill.workers * decode.workers <= 4", r"prefill.workers is not linear: a product of two totals"),
        (
            "prefill.tp * decode.tp <= 4",
            "decode.tp [*] prefill.tp is not linear: a product of attributes of two",
        ),
        (
            "decode.tp * prefill.workers <= 4",
            "attributes multiply only the workers or gpus of their own role",
        ),
        ("decode.tp * gpus <= 4", "attributes multiply only the workers or gpus of their own role"),
        ("prefill.workers <= decode.tp", "is of the plan and decode.tp of each type: no one linear row"),
        ("tokens_per_s <= 100", "tokens_per_s has lower bounds only"),
        ("requests_per_s == 1", "requests_per_s has lower bounds only"),
        ("gpus != 4", "!= of totals is not linear; use <=, >= or =="),
        ("gpus < 4", "< of totals is not linear"),
        ("decode.tp != prefill.tp", "!= between two roles is not linear: either could be larger"),
        ("decode.tp > prefill.tp", "> between two roles is not linear: use <= or >="),
        ("agg.tp + decode.tp <= prefill.tp", "compares three roles"),
        ("gpus in [2, 4] ", "'in' lists values of one attribute"),
        ("1 <= 2", "names no quantity of a plan"),
        ("decode.quant.kvcache >= fp8", "texts are compared with ==, != or in only"),
        ("decode.quant.kvcache == fp4", "'fp4' is no quant.kvcache of this experiment; there are bf16, fp8"),
        ("decode.quant.kvcache + 1 == fp8", "a text cannot be calculated with"),
        ("decode.quant.kvcache != prefill.quant.kvcache", "either could be larger"),
        ("decode.tpp <= 4", "'decode.tpp' is no quantity of a plan; did you mean 'decode.tp'"),
        ("gpus <= 48.00000000000000001", "too large, or have too many decimals"),
    ),
)
def test_what_is_not_linear_names_the_term(text, why):
    """One clear line: the constraint, the term, and why."""
    with pytest.raises(InputError, match=why) as raised:
        rule(text)
    assert repr(text) in str(raised.value) and "\n" not in str(raised.value)


def test_cost_needs_prices():
    """A pool without a price is named."""
    with pytest.raises(InputError, match=r"pool h100_sxm: .* no price_per_gpu_hour"):
        rules(PAIR, replace(DISAGG, constraints=("cost <= 1",)))


def test_the_judge_reads_the_plan():
    """Of a plan with 4 x prefill b2 and 2 x decode b16: what holds, what breaks, and by which name."""
    ask = replace(
        ASK,
        constraints=(
            "prefill.workers <= 2 * decode.workers", "decode.batch >= 8 * prefill.batch", "gpus <= 7",
            "decode.quant.kvcache == prefill.quant.kvcache", "cost <= 20", "tokens_per_s >= 160.000001",
            "decode.batch * decode.workers <= 32", "types == 2", "prefill.ttft_ms < 300", "agg.tp == 7",
        ),
    )  # fmt: skip
    rates = {"tokens_per_s": 160 * MICRO, "requests_per_s": 16 * MICRO}
    assert broken_constraints(PAIR, ask, {1: 4, 3: 2}, rates) == ["user(3)", "user(4)", "user(6)", "user(9)"]


def test_only_the_points_given_are_looked_at():
    """No points, no trouble: the kinds of the rules are known without any."""
    none = PAIR.take(np.zeros(0, np.int64))
    texts = ("decode.batch <= 4", "gpus <= 4", "decode.tp >= prefill.tp", "prefill.ttft_ms <= 1")
    kinds = [type(each) for each in rules(none, replace(ASK, constraints=texts, ttft_ns=MS))]
    assert kinds == [Filter, Row, Comparison, Filter]
