"""How one worker spreads a model over its GPUs."""

from msgspec import Struct


class Layout(Struct, frozen=True, cache_hash=True, order=True):
    """Parallel degrees of one worker.

    For a dense model ``dp = cp = moe_tp = moe_ep = 1``; for a mixture of experts
    ``tp * dp * cp == moe_tp * moe_ep``: attention and experts share the same GPUs.
    """

    tp: int = 1
    pp: int = 1
    dp: int = 1
    cp: int = 1
    moe_tp: int = 1
    moe_ep: int = 1

    @property
    def gpus(self) -> int:
        """GPUs of one worker."""
        return self.tp * self.pp * self.dp * self.cp

    def __str__(self) -> str:
        named = (("tp", self.tp), ("pp", self.pp), ("dp", self.dp), ("cp", self.cp))
        experts = (("etp", self.moe_tp), ("ep", self.moe_ep))
        parts = [f"{name}{degree}" for name, degree in named if degree > 1 or name == "tp"]
        parts += [f"{name}{degree}" for name, degree in experts if degree > 1]
        return "".join(parts)
