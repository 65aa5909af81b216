"""Tokens on their way to the experts and back where an engine uses collectives: which ones it runs.

The exchange is spelled out as all-reduces and collectives over the GPUs of the worker; the one before the
experts is also the sum of the attention output. Rules: performance model of AIConfigurator 0.12, §3.3.
"""

from aicfg.hardware.interpolation import FloatArray
from aicfg.hardware.load import StepLoad
from aicfg.hardware.pricing import Pricing, prices
from aicfg.model_specs.operations import AllReduce, Collective, CollectiveKind, ExpertExchange, Operation

QUANTISED_GATHER_SM = 100
"""Where TensorRT-LLM gathers activations that are quantised already (exactly this compute capability)."""
GATHERED_SHARE = {"nvfp4": 1 / 4 + 1 / 32, "fp8": 1 / 2, "fp8_block": 1 / 2}
"""Volume of quantised activations (nvfp4: with its scales) over that of 2-byte ones."""


@prices(ExpertExchange)
def expert_exchange_ms(pricing: Pricing, op: ExpertExchange, load: StepLoad) -> FloatArray:
    """The collectives of one way."""
    return pricing.total(steps(op, pricing.tables.backend, pricing.system.sm, pricing.quant.moe), load)


def steps(op: ExpertExchange, backend: str, sm: int, moe: str) -> tuple[Operation, ...]:
    """The collectives that an engine runs before or after the experts.

    Parameters
    ----------
    sm : compute capability times ten.
    moe : number format of the experts.
    """
    gpus = op.moe_tp * op.moe_ep
    shards = gpus // op.dp  # GPUs that share one attention rank's tokens
    sums = shards > 1 and not (op.before and op.summed)
    if backend == "vllm":
        return (*((_sum(op),) if sums else ()), *((_all_ranks(op),) if op.dp > 1 else ()))
    if backend == "sglang" and shards > 1 and op.dp > 1:
        return _two_levels(op, shards)
    if backend == "sglang" and op.context > 1:
        return _context_parallel(op)
    if backend == "trtllm" and sm == QUANTISED_GATHER_SM and op.dp > 1:
        return (_all_ranks(op, GATHERED_SHARE.get(moe, 1.0) if op.before else 1.0),)
    if shards > 1:
        return (_sum(op),) if sums else ()
    return (_all_ranks(op),) if op.dp > 1 else ()


def _sum(op: ExpertExchange) -> AllReduce:
    """Sum over all GPUs of the worker, by the engine's own kernel."""
    return AllReduce(f"{op.name}_sum", op.hidden, op.moe_tp * op.moe_ep)


def _all_ranks(op: ExpertExchange, share: float = 1.0) -> Collective:
    """Every attention rank's tokens to all GPUs, or back to their own."""
    return _collective(op, _spread_kind(op), op.moe_tp * op.moe_ep, op.dp * share)


def _two_levels(op: ExpertExchange, shards: int) -> tuple[Operation, ...]:
    """Within the GPUs of one attention rank, and over all."""
    gpus = op.moe_tp * op.moe_ep
    if op.before:
        return (
            _collective(op, "reduce_scatter", shards, 1.0),
            _collective(op, "all_gather", gpus, float(op.dp)),
        )
    return (
        _collective(op, "reduce_scatter", gpus, float(op.dp)),
        _collective(op, "all_gather", shards, 1.0),
    )


def _context_parallel(op: ExpertExchange) -> tuple[Operation, ...]:
    """In prefill the shards of a prompt are gathered; in decoding every rank holds all tokens already."""
    if op.phase == "prefill":
        return (_collective(op, _spread_kind(op), op.moe_tp * op.moe_ep, 1.0),)
    return () if op.before else (_sum(op),)


def _spread_kind(op: ExpertExchange) -> CollectiveKind:
    return "all_gather" if op.before else "reduce_scatter"


def _collective(op: ExpertExchange, kind: CollectiveKind, ranks: int, copies: float) -> Collective:
    return Collective(f"{op.name}_{kind}", kind, op.hidden * copies, ranks)
