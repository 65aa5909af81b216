"""What the solver can explain in one line."""

from aicfg.model_specs.errors import AicfgError


class NodePackingError(AicfgError):
    """Workers of these sizes may not fit the nodes although the GPUs suffice."""


class EnginesDisagree(AicfgError):  # noqa: N818
    """Two engines solved the same problem and gave different answers: a defect in aicfg or in an engine."""


class EngineImpreciseError(AicfgError):
    """An engine's answer does not survive recomputation in exact integers."""


class UnsupportedAskError(AicfgError):
    """The engine cannot state what is asked."""
