"""Latent attention: kernels, modules, absorbed products, and SGLang's wide stack."""

from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from aicfg.hardware.latent import busiest_shares
from aicfg.hardware.load import Decoding, Prompts, StepLoad
from aicfg.hardware.modes import DataMode
from aicfg.hardware.pricing import Pricing
from aicfg.hardware.roofline import AbsorbedProductRoofline, LatentContextRoofline, LatentGenerationRoofline
from aicfg.hardware.tables.store import Grid, Key, MissingDataError
from aicfg.hardware.wide_latent import WideContextRoofline, WideGenerationRoofline
from aicfg.model_specs.operations import (
    AbsorbedProduct,
    LatentAttention,
    LatentModule,
    Operation,
    WideLatentAttention,
)

HEADS = np.array([8, 16])
LENGTHS, BATCHES = np.array([512, 1024, 2048]), np.array([1, 2, 4])
PEAK, BANDWIDTH = 989e12, 4.8e12
Priced = Callable[..., Pricing]


def context_grid(level: float) -> Grid:
    """Quadratic in the length: level ms at 16 heads, 1024 tokens and one prompt."""
    n, s, b = np.meshgrid(HEADS, LENGTHS, BATCHES, indexing="ij")
    return Grid((HEADS, LENGTHS, BATCHES), level * n / 16 * (s / 1024.0) ** 2 * b)


def generation_grid(level: float) -> Grid:
    """Linear in the length: level ms at 16 heads, one request and 1024 tokens."""
    n, b, s = np.meshgrid(HEADS, BATCHES, LENGTHS, indexing="ij")
    return Grid((HEADS, BATCHES, LENGTHS), level * n / 16 * b * s / 1024.0)


def prompts(batch: float, length: float, prefix: float = 0.0) -> StepLoad:
    """One step of equal prompts."""
    each = Prompts(np.array([batch]), np.array([length]), np.array([prefix]))
    return StepLoad(np.array([batch * length]), np.array([batch]), prompts=each)


def decoding(batch: float, *lengths: float) -> StepLoad:
    """One step of requests, averaged over lengths."""
    over = Decoding(np.array([batch]), np.array(lengths), np.full(len(lengths), 1.0 / len(lengths)))
    return StepLoad(np.array([batch]), np.array([batch]), decoding=over)


@pytest.fixture
def kernels(priced: Priced) -> Pricing:
    """Tables of the kernel alone, over an fp8 cache."""
    tables = {
        "context_mla": {("bfloat16", "fp8"): context_grid(1.0)},
        "generation_mla": {("fp8",): generation_grid(1.0)},
    }
    return priced(tables, kvcache="fp8")


KERNEL = LatentAttention("mla", 16)


def test_prompts_grow_with_the_square_of_their_length(kernels: Pricing) -> None:
    """Interpolated in square-root space: exact for a quadratic, linear in heads and batch."""
    assert kernels.price(KERNEL, prompts(2, 1536)) == pytest.approx([4.5])
    assert kernels.price(replace(KERNEL, heads=12), prompts(3, 1024)) == pytest.approx([2.25])


def test_a_cached_prefix_spares_its_own_square(kernels: Pricing) -> None:
    """1024 new tokens behind 1024 cached ones: three quarters of 2048 tokens' time."""
    assert kernels.price(KERNEL, prompts(1, 1024, 1024)) == pytest.approx([0.75 * 4.0])


def test_decoding_is_looked_up_at_its_very_length(kernels: Pricing) -> None:
    """No averaging around it; several lengths count with their weights."""
    assert kernels.price(KERNEL, decoding(2, 512)) == pytest.approx([1.0])
    assert kernels.price(KERNEL, decoding(3, 600, 1800)) == pytest.approx([3 * 1200 / 1024])


def test_context_parallel_ranks_take_a_first_and_a_last_chunk(kernels: Pricing) -> None:
    """Of 2048 tokens over 2 ranks: 512 alone, and 512 behind 1536."""
    wanted = 0.25 + 4.0 * (1 - (3 / 4) ** 2)
    assert kernels.price(replace(KERNEL, context=2), prompts(1, 2048)) == pytest.approx([wanted])
    (whole,) = busiest_shares(Prompts(*(np.array([x]) for x in (1.0, 5.0, 0.0))), 1)
    first, last = busiest_shares(whole, 4)
    assert (first.length[0], last.length[0], last.prefix[0]) == (1.0, 1.0, 4.0)


def test_a_format_without_rows_is_missing(priced: Priced) -> None:
    """The key names arithmetic and cache."""
    with pytest.raises(MissingDataError, match=r"bfloat16.*bfloat16"):
        priced({"context_mla": {("bfloat16", "fp8"): context_grid(1.0)}}).price(KERNEL, prompts(1, 1024))


MODULE = LatentModule("module", 16, native_heads=128)


def modules(priced: Priced, *models: tuple[str, float]) -> Pricing:
    """Modules measured in models, at levels."""
    context: dict[Key, Grid] = {
        ("bfloat16", "fp8", "fp8_block", model): context_grid(level) for model, level in models
    }
    generation: dict[Key, Grid] = {
        ("fp8", "fp8_block", model): generation_grid(level) for model, level in models
    }
    tables = {"mla_context_module": context, "mla_generation_module": generation}
    return priced(tables, gemm="fp8_block", kvcache="fp8")


def test_a_module_is_keyed_by_its_projections_format_too(priced: Priced) -> None:
    """Prompts and new tokens have a table each; an unquantised module is another key."""
    pricing = modules(priced, ("deepseek-ai/DeepSeek-V3", 2.0))
    assert pricing.price(MODULE, prompts(1, 1024)) == pytest.approx([2.0])
    assert pricing.price(MODULE, decoding(4, 1024)) == pytest.approx([8.0])
    with pytest.raises(MissingDataError, match="mla_context_module"):
        pricing.price(replace(MODULE, component="bfloat16"), prompts(1, 1024))


def test_a_module_of_another_model_stands_in(priced: Priced) -> None:
    """That of the model's own heads, here one which is not known otherwise; else one of no more heads."""
    pricing = modules(priced, ("deepseek-ai/DeepSeek-V3", 2.0))
    assert pricing.price(replace(MODULE, native_heads=64), prompts(1, 1024)) == pytest.approx([2.0])
    pricing = modules(priced, ("deepseek-ai/DeepSeek-V3", 2.0), ("a/model-of-64-heads", 3.0))
    assert pricing.price(replace(MODULE, native_heads=64), prompts(1, 1024)) == pytest.approx([3.0])


def products(formats: dict[str, float]) -> dict[str, dict[Key, Grid]]:
    """Absorbed products of 8 and 16 heads: level ms for a token and head."""
    tokens = np.array([1, 64])
    return {
        "mla_bmm": {
            (dtype, "mla_gen_pre"): Grid((HEADS, tokens), level * HEADS[:, None] * tokens)
            for dtype, level in formats.items()
        }
    }


def test_absorbed_products_fall_back_on_bfloat16_and_on_more_heads(priced: Priced) -> None:
    """fp8 projections want fp8 rows; 12 heads take 12/16 of 16 heads' time."""
    op, load = AbsorbedProduct("bmm", 16, before=True), decoding(32, 1024)
    both = priced(products({"bfloat16": 1.0, "fp8": 0.5}), gemm="fp8_block")
    assert both.price(op, load) == pytest.approx([0.5 * 16 * 32])
    assert both.price(replace(op, component="bfloat16"), load) == pytest.approx([16 * 32])
    one = priced(products({"bfloat16": 1.0}), gemm="fp8_block")
    assert one.price(op, load) == pytest.approx([16 * 32])
    assert one.price(replace(op, heads=12), load) == pytest.approx([12 * 32])
    with pytest.raises(MissingDataError, match="32 heads"):
        one.price(replace(op, heads=17), load)


@pytest.mark.parametrize("kernel", ["flashinfer", "trtllm_mla"])
def test_the_wide_stack_answers_with_the_kernel_that_was_measured(priced: Priced, kernel: str) -> None:
    """The engine's default, or Blackwell's in its place; 128 heads are shared out over tp."""
    tables = {
        "wideep_context_mla": {(kernel, "fp8_block", "fp8"): context_grid(1.0)},
        "wideep_generation_mla": {(kernel, "fp8"): generation_grid(1.0)},
    }
    pricing = priced(tables, backend="sglang", fmha="fp8_block", kvcache="fp8")
    op = WideLatentAttention("wide", tp=16)
    assert pricing.price(op, prompts(1, 1024)) == pytest.approx([0.5])
    assert pricing.price(replace(op, tp=8), decoding(2, 1024)) == pytest.approx([2.0])


@pytest.mark.parametrize(
    ("op", "load"),
    [
        (KERNEL, prompts(8, 4096)),
        (KERNEL, decoding(16, 512)),
        (KERNEL, decoding(2, 4096)),
    ],
)
def test_past_the_grid_light_carries_on(priced: Priced, op: Operation, load: StepLoad) -> None:
    """Kernels at half the speed of light stay there."""
    context = LatentContextRoofline(1.0, PEAK, BANDWIDTH)
    generation = LatentGenerationRoofline(1.0, 2 * PEAK, BANDWIDTH)
    mesh = np.meshgrid(HEADS, LENGTHS, BATCHES, indexing="ij")
    steps = np.meshgrid(HEADS, BATCHES, LENGTHS, indexing="ij")
    tables = {
        "context_mla": {("bfloat16", "fp8"): Grid((HEADS, LENGTHS, BATCHES), 2 * context(*mesh))},
        "generation_mla": {("fp8",): Grid((HEADS, BATCHES, LENGTHS), 2 * generation(*steps))},
    }
    light = priced({}, mode=DataMode.SOL, kvcache="fp8").price(op, load)
    assert priced(tables, kvcache="fp8").price(op, load) == pytest.approx(2 * light)


def test_rooflines_count_what_the_design_says() -> None:
    """Operations over peak, or bytes over bandwidth, of DeepSeek's dimensions."""
    context = LatentContextRoofline(1.0, PEAK, BANDWIDTH)
    assert context(16, 4096, 2) == pytest.approx(2 * 16 * 320 * 4096**2 / PEAK * 1000)
    assert context(16, 2, 2) == pytest.approx(2 * 16 * 320 * 3 * 2 / BANDWIDTH * 1000)
    generation = LatentGenerationRoofline(1.0, PEAK, BANDWIDTH)
    assert generation(128, 64, 4096) == pytest.approx(2 * 64 * 128 * 1088 * 4096 / PEAK * 1000)
    assert generation(1, 2, 101) == pytest.approx(2 * (2 * 1088 + 100 * 576) / BANDWIDTH * 1000)
    absorbed = AbsorbedProductRoofline(2.0, PEAK, BANDWIDTH)
    assert absorbed(16, 1) == pytest.approx(16 * (640 + 65536) * 2 / BANDWIDTH * 1000)
    module = LatentGenerationRoofline(1.0, PEAK, BANDWIDTH, absorbed)
    assert module(1, 2, 101) == pytest.approx(generation(1, 2, 101) + 2 * absorbed(1, 2))


def test_wide_rooflines_add_the_projections() -> None:
    """One head and one token: weights of every projection dominate the bytes."""
    weights = 1536 * 192 + 512 * 256 + 128 * 7168
    facts = (1.0, 2 * PEAK, PEAK, BANDWIDTH)
    context = WideContextRoofline(*facts)
    rows = 1536 + 2 * 192 + 512 + 2 * 256 + 128 + 2 * 7168 + 2 * (2 * 320)
    assert context(1, 1, 1) == pytest.approx((weights + rows) / BANDWIDTH * 1000)
    generation = WideGenerationRoofline(*facts)
    rows = 1536 + 2 * 192 + 128 + 2 * 512 + 512 + 2 * 128 + 128 + 2 * 7168 + 2 * (1088 + 576)
    weights = 1536 * 192 + 2 * 128 * 512 + 128 * 7168
    assert generation(1, 1, 1) == pytest.approx((weights + rows) / BANDWIDTH * 1000)
