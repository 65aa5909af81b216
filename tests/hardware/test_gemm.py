"""Products on measured and unmeasured shapes."""

import numpy as np
import pytest

import aicfg.hardware.step  # noqa: F401  (imports every module that declares prices)
from aicfg.hardware.gemm import GemmTable
from aicfg.hardware.ledger import Ledger
from aicfg.hardware.load import StepLoad
from aicfg.hardware.modes import DataMode, Source
from aicfg.hardware.pricing import Pricing, UnpricedError
from aicfg.hardware.profile import load_profile
from aicfg.hardware.roofline import GemmRoofline
from aicfg.hardware.scales import ScaleTable
from aicfg.hardware.system import load_system
from aicfg.hardware.tables.store import Grid, MissingDataError, open_tables
from aicfg.model_specs.operations import Gemm
from aicfg.model_specs.quantization import Quant

M = np.array([1, 2, 64, 128, 1024], dtype=np.int64)
SITES = np.array([1024, 2048, 4096, 8192], dtype=np.int64)
LIGHT = GemmRoofline(weight_bytes=2.0, peak_flops=1e15, bandwidth=4e12)


def table(slower: float = 2.0, hole: tuple[int, int] | None = None) -> GemmTable:
    """Every site measured at a fixed multiple of the speed of light."""
    n, k, m = np.meshgrid(SITES, SITES, M, indexing="ij")
    times = LIGHT(m, n, k) * slower
    if hole:
        times[hole] = np.nan
    return GemmTable(Grid((SITES, SITES, M), times), LIGHT, "test")


def test_a_measured_site_answers_exactly() -> None:
    """On the grid the row itself comes back."""
    rows = M.astype(float)
    assert table()(rows, 4096, 2048) == pytest.approx(LIGHT(rows, 4096, 2048) * 2)


def test_between_rows_the_curve_is_linear() -> None:
    """Half way between two measured m is half way between their times."""
    low, middle, high = table()(np.array([64.0, 96.0, 128.0]), 4096, 4096)
    assert middle == pytest.approx((low + high) / 2)


@pytest.mark.parametrize("shape", [(3000, 3000), (5120, 1500), (151936, 4096)])
def test_an_unmeasured_shape_borrows_utilisation(shape: tuple[int, int]) -> None:
    """Where every site runs at half light speed, so does any other shape.

    One axis above the grid included.
    """
    rows = M.astype(float)
    assert table()(rows, *shape) == pytest.approx(LIGHT(rows, *shape) * 2)


def test_beyond_the_sweep_the_last_utilisation_holds() -> None:
    """Past the largest m the speed of light carries the growth."""
    rows = np.array([8192.0])
    assert table()(rows, 4096, 4096) == pytest.approx(LIGHT(rows, 4096, 4096) * 2)


def test_a_site_with_no_rows_is_not_measured() -> None:
    """A hole in the product of sites borrows from its neighbours."""
    holed = table(hole=(1, 1))
    assert not holed.measured(2048, 2048)
    rows = np.array([64.0])
    assert holed(rows, 2048, 2048) == pytest.approx(LIGHT(rows, 2048, 2048) * 2)


def test_rows_faster_than_light_are_raised() -> None:
    """A measurement below the roofline is an artefact."""
    rows = np.array([64.0])
    assert table(slower=0.5)(rows, 4096, 4096) == pytest.approx(LIGHT(rows, 4096, 4096))


@pytest.mark.parametrize("shape", [(64, 64), (64, 4096), (200_000, 200_000)])
def test_a_shape_far_from_every_site_is_a_named_miss(shape: tuple[int, int]) -> None:
    """Nothing is invented below the grid or beyond both of its ends."""
    with pytest.raises(MissingDataError, match=f"n={shape[0]}, k={shape[1]}"):
        table()(np.array([64.0]), *shape)


def test_scale_tables_hold_flat_or_grow_beyond_their_grid() -> None:
    """A measured difference stays; a real kernel grows with m·k."""
    grid = Grid((np.array([1, 3]), np.array([1, 3])), np.array([[1.0, 3.0], [3.0, 9.0]]))
    rows = np.array([2.0, 6.0])
    assert ScaleTable(grid, grows=False)(rows, 2).tolist() == [4.0, 6.0]
    assert ScaleTable(grid, grows=True)(rows, 3).tolist() == [6.0, 18.0]


def test_a_narrow_product_without_neighbours_is_priced_and_said_to_be_light() -> None:
    """A gate of one column, far from every measured product: the speed of light, in the breakdown too."""
    system, tables = load_system("l40s"), open_tables("l40s", "vllm")
    pricing = Pricing(system, tables, Quant(), load_profile("aicfg"), DataMode.SILICON)
    pricing.ledger = Ledger()
    load = StepLoad(np.array([64.0]), np.ones(1))
    (ms,) = pricing.total((Gemm("gate", 1, 4096, component="bfloat16", narrow=True),), load)
    assert 0.0 < ms < 0.01
    (entry,) = pricing.ledger.entries
    assert entry.by_source[Source.LIGHT] == pytest.approx(ms)
    with pytest.raises(UnpricedError, match="no measured product within"):
        pricing.total((Gemm("gate", 1, 4096, component="bfloat16"),), load)
