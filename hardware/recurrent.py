"""Kernels of recurrent layers: the causal convolution of their inputs, and the recurrence itself.

Measured per shape of one rank: prompts over (batch, tokens of each), new tokens over the batch alone, for
their time does not depend on how many came before. All are bound by the memory they move. Where a shape was
not measured, the profile says what stands in. Rules: AIConfigurator 0.12, ``operators/mamba``.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from aicfg.hardware.estimate import Loan, Utilisation, by_nearness
from aicfg.hardware.interpolation import FloatArray, NestedGrid
from aicfg.hardware.load import StepLoad
from aicfg.hardware.memory_bound import ACTIVATION_BYTES, memory_pass_ms
from aicfg.hardware.modes import DataMode, Source
from aicfg.hardware.pricing import Pricing, prices
from aicfg.hardware.tables.store import Key
from aicfg.model_specs.operations import DeltaRule, KimiDelta, StateSpace

PROMPTS, DECODING = "context", "generation"
"""The phases as the tables name them."""
KERNELS = {
    # By what runs: kernels as the tables name them, the engine's own before those that another engine lent.
    ("gdn", "convolution", PROMPTS): ("causal_conv1d_fn",),
    ("gdn", "convolution", DECODING): ("causal_conv1d_update",),
    ("gdn", "recurrence", PROMPTS): (
        "chunk_gated_delta_rule_flashinfer",
        "chunk_gated_delta_rule_triton",
        "chunk_gated_delta_rule_cutedsl",
        "chunk_gated_delta_rule",
    ),
    ("gdn", "recurrence", DECODING): ("fused_sigmoid_gating_delta_rule_update",),
    ("mamba2", "convolution", PROMPTS): ("causal_conv1d_fn",),
    ("mamba2", "convolution", DECODING): ("causal_conv1d_update",),
    ("mamba2", "recurrence", PROMPTS): ("mamba_chunk_scan_combined",),
    ("mamba2", "recurrence", DECODING): ("selective_state_update",),
    ("kda", "convolution", PROMPTS): ("causal_conv1d_fn_qkv3",),
    ("kda", "convolution", DECODING): ("causal_conv1d_update",),
    ("kda", "recurrence", PROMPTS): ("flashkda_fwd", "chunk_kda_with_fused_gate", "chunk_kda"),
    ("kda", "recurrence", DECODING): ("fused_recurrent_kda_packed_decode",),
    ("kda", "fused", DECODING): ("fused_kda_decode",),
}
DELTA_CHUNK_TOKENS = 64
"""Tokens of a prompt between two states that the gated delta rule's kernels write out and read back."""

KIMI_STATE_ELEMENT_BYTES = 4
"""Kimi delta attention keeps its states in float32."""

STATE_PASSES = 4
"""Times that Mamba-2's kernels move a chunk's state: written, read and written when passed on, read."""

Shape = tuple[int, ...]
Bytes = Callable[..., FloatArray]
"""Bytes moved as a function of the batch and, for prompts, the tokens of each."""


@dataclass(frozen=True)
class Kernel:
    """One kernel over one rank's shape, in one phase."""

    pricing: Pricing
    family: str
    stage: str
    phase: str
    shape: Shape
    """What the table's keys hold after the kernel's name and the phase."""
    bytes_of: Callable[[Shape], Bytes]
    """What a kernel of some shape moves."""
    tabled: bool = True
    """Whether its tables count."""

    def ms(self, load: StepLoad) -> FloatArray:
        """The step's prompts, or its new tokens."""
        if load.prompts is not None:
            return self._ms(load.prompts.batch, load.prompts.length)
        assert load.decoding is not None, "a recurrence needs prompts or decoding requests"
        return self._ms(load.decoding.batch) * float(load.decoding.weights.sum())

    def _light(self, *at: FloatArray) -> FloatArray:
        """The speed of light in ms: the bytes over the memory's bandwidth."""
        return self.bytes_of(self.shape)(*at) / self.pricing.system.memory_bandwidth_bytes_per_s * 1000.0

    def _ms(self, *at: FloatArray) -> FloatArray:
        table = self.pricing.table((*self._names, self.shape), self._answering)
        if table is None:
            return self._unmeasured(*at)
        return self.pricing.by_mode(
            measured=lambda: table(*at),
            light=lambda: self._light(*at),
            estimated=lambda: Loan(_utilisation(table)).ms(self._light(*at), *at),
            reach=lambda: table.reach(*at),
        )

    def _unmeasured(self, *at: FloatArray) -> FloatArray:
        """What stands in for a shape that no table holds."""
        pricing = self.pricing
        ms, source = self._light(*at), Source.LIGHT
        if pricing.mode is not DataMode.SOL and pricing.profile.operations.unmeasured_recurrence == "passes":
            ms, source = self._loan_or_pass(*at)
        pricing.note(ms, lambda: source)
        return ms

    def _loan_or_pass(self, *at: FloatArray) -> tuple[FloatArray, Source]:
        """What the nearest shape reached, where estimates are allowed; else a pass over what it moves."""
        lender = None if self.pricing.mode is DataMode.SILICON else self._nearest()
        if lender is not None:
            return Loan(_utilisation(lender)).ms(self._light(*at), *at), Source.ESTIMATED
        return memory_pass_ms(self.pricing.system, self.bytes_of(self.shape)(*at)), Source.FORMULA

    @property
    def _names(self) -> tuple[str, str, str]:
        return self.family, self.stage, self.phase

    def _answering(self) -> NestedGrid | None:
        """The grid of this shape; by the rule ``light``, for Kimi's, of the nearest number of heads."""
        if self.family != "kda" or self.pricing.profile.operations.unmeasured_recurrence != "light":
            return self._own()
        hidden, heads, *_ = self.shape
        shapes = [tuple(int(size) for size in key[2:]) for key in self._measured() if key[2] == hidden]
        nearest = min(shapes, key=lambda shape: abs(shape[1] - heads), default=self.shape)
        return replace(self, shape=nearest)._own()

    def _own(self) -> NestedGrid | None:
        """The measured grid of this very shape, if there is one."""
        measured = self._measured()
        keys: list[Key] = [(name, self.phase, *self.shape) for name in KERNELS[self._names]]
        return next((self._opened(key) for key in keys if key in measured), None)

    def _nearest(self) -> NestedGrid | None:
        """The grid of the nearest shape, if any was measured."""
        shapes = [tuple(int(size) for size in key[2:]) for key in self._measured()]
        order = by_nearness(self.shape, shapes)
        return replace(self, shape=shapes[order[0]])._own() if order else None

    def _measured(self) -> list[Key]:
        """Keys of this stage's kernels in this phase, whatever their shape."""
        names = KERNELS[self._names]
        keys = self.pricing.tables.keys(self.family) if self.tabled else ()
        return [key for key in keys if key[0] in names and key[1] == self.phase]

    def _opened(self, key: Key) -> NestedGrid:
        grid = self.pricing.tables.grid(self.family, key)
        axes = tuple(axis.astype(np.float64) for axis in grid.axes)
        if self.phase == DECODING:  # the one length that its rows have says nothing
            return NestedGrid(axes[:1], grid.values[:, 0], self._light)
        return NestedGrid(axes, grid.values, self._light)


def _utilisation(table: NestedGrid) -> Utilisation:
    return Utilisation(table.axes, table.times_ms, table.roofline)


@prices(DeltaRule)
def delta_rule_ms(pricing: Pricing, op: DeltaRule, load: StepLoad) -> FloatArray:
    """One kernel of a gated-delta layer."""
    shape = (op.hidden, op.key_heads, op.key_dim, op.value_heads, op.value_dim, op.taps)
    phase = DECODING if load.prompts is None else PROMPTS
    if op.stage == "convolution":
        moved = partial(_delta_convolution_bytes, pricing, phase)
    else:
        moved = partial(_delta_recurrence_bytes, op.state_element_bytes)
    return Kernel(pricing, "gdn", op.stage, phase, shape, moved).ms(load)


def _delta_convolution_bytes(pricing: Pricing, phase: str, shape: Shape) -> Bytes:
    _, key_heads, key_dim, value_heads, value_dim, taps = shape
    token = convolution_bytes(pricing, phase, 2 * key_heads * key_dim + value_heads * value_dim, taps)
    return lambda batch, tokens=1.0: batch * tokens * token


def _delta_recurrence_bytes(state_element_bytes: int, shape: Shape) -> Bytes:
    """Queries, keys, values and outputs; the state in and out, and again for every chunk of a prompt."""
    _, key_heads, key_dim, value_heads, value_dim, _ = shape
    token = ACTIVATION_BYTES * 2 * (key_heads * key_dim + value_heads * value_dim)
    state = value_heads * key_dim * value_dim

    def moved(batch: FloatArray, tokens: FloatArray | float = 1.0) -> FloatArray:
        chunks = np.floor(tokens / np.float64(DELTA_CHUNK_TOKENS))
        of_states = 2 * state * (state_element_bytes + ACTIVATION_BYTES * chunks)
        return np.asarray(batch * (tokens * token + of_states))

    return moved


@prices(KimiDelta)
def kimi_delta_ms(pricing: Pricing, op: KimiDelta, load: StepLoad) -> FloatArray:
    """One kernel of a layer of Kimi delta attention; its heads stand for key and for value heads."""
    shape = (op.hidden, op.heads, op.head_dim, op.heads, op.head_dim, op.taps)
    phase = DECODING if load.prompts is None else PROMPTS
    moved: dict[str, Callable[[Shape], Bytes]] = {
        "convolution": partial(_delta_convolution_bytes, pricing, phase),
        "recurrence": _kimi_recurrence_bytes,
        "fused": partial(_kimi_fused_bytes, pricing, phase),
    }
    return Kernel(pricing, "kda", op.stage, phase, shape, moved[op.stage]).ms(load)


def _kimi_recurrence_bytes(shape: Shape) -> Bytes:
    """Queries, keys, values, decays, outputs; the state in and out, and again for every chunk of a prompt."""
    _, heads, head_dim, *_ = shape
    token = ACTIVATION_BYTES * 5 * heads * head_dim
    state = heads * head_dim**2 * KIMI_STATE_ELEMENT_BYTES

    def moved(batch: FloatArray, tokens: FloatArray | float = 1.0) -> FloatArray:
        chunks = np.floor(tokens / np.float64(DELTA_CHUNK_TOKENS))
        return np.asarray(batch * (tokens * token + 2 * state * (1 + chunks)))

    return moved


def _kimi_fused_bytes(pricing: Pricing, phase: str, shape: Shape) -> Bytes:
    """Of the convolution and the recurrence."""
    parts = (_delta_convolution_bytes(pricing, phase, shape), _kimi_recurrence_bytes(shape))
    return lambda *at: np.asarray(sum(part(*at) for part in parts))


@prices(StateSpace)
def state_space_ms(pricing: Pricing, op: StateSpace, load: StepLoad) -> FloatArray:
    """One kernel of a Mamba-2 layer. The rule ``light`` leaves what was measured of decoding aside."""
    shape = (op.hidden, op.state, op.taps, op.heads, op.head_dim, op.groups, op.chunk)
    phase = DECODING if load.prompts is None else PROMPTS
    light = pricing.profile.operations.unmeasured_recurrence == "light"
    if op.stage == "convolution":
        moved = partial(_state_space_convolution_bytes, pricing, phase)
    else:
        moved = partial(_state_space_bytes, phase, 0 if light else op.state_element_bytes)
    tabled = not (light and phase == DECODING)
    return Kernel(pricing, "mamba2", op.stage, phase, shape, moved, tabled).ms(load)


def _state_space_convolution_bytes(pricing: Pricing, phase: str, shape: Shape) -> Bytes:
    _, state, taps, heads, head_dim, groups, _ = shape
    token = convolution_bytes(pricing, phase, heads * head_dim + 2 * groups * state, taps)
    return lambda batch, tokens=1.0: batch * tokens * token


def _state_space_bytes(phase: str, state_element_bytes: int, shape: Shape) -> Bytes:
    """Inputs, what reads and writes the state, steps and outputs; the states in and out.

    New tokens: once each. Prompts: every chunk's is written, passed on (read, written) and read.
    """
    _, state, _, heads, head_dim, groups, chunk = shape
    token = ACTIVATION_BYTES * (2 * heads * head_dim + 2 * groups * state + heads)
    passes = STATE_PASSES if phase == PROMPTS else 2
    of_states = passes * heads * head_dim * state * state_element_bytes

    def moved(batch: FloatArray, tokens: FloatArray | float = 1.0) -> FloatArray:
        states = np.ceil(tokens / np.float64(chunk)) if phase == PROMPTS else 1.0
        return np.asarray(batch * (tokens * token + states * of_states))

    return moved


def convolution_bytes(pricing: Pricing, phase: str, channels: int, taps: int) -> float:
    """Bytes that a causal convolution moves for one token: input and output, and what waits between tokens.

    In decoding the last inputs are read and written back. The rule ``light`` counts every tap as an input.
    """
    if pricing.profile.operations.unmeasured_recurrence == "light":
        passes = taps + 2
    else:
        passes = 2 + (2 * (taps - 1) if phase == DECODING else 0)
    return ACTIVATION_BYTES * channels * passes
