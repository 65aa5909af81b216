"""aicfg: the provably best way to serve a large language model on given GPUs.

>>> import aicfg
>>> plan = aicfg.solve("examples/qwen3-32b-h100-vllm.yaml")  # or a mapping, or an aicfg.Experiment
>>> plan.tokens_per_s, plan.pools, plan.certificate.gap

Everything is imported when it is first used, so ``import aicfg`` itself costs next to nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aicfg.experiments.api import solve, solve_all
    from aicfg.experiments.estimate import Estimate, PoolEstimate, Worker, estimate
    from aicfg.experiments.loader import load
    from aicfg.experiments.peer.api import cli_default, cli_exp, cli_recommend, cli_support
    from aicfg.experiments.peer.api_points import EstimateResult, cli_estimate, cli_generate
    from aicfg.experiments.peer.result import CLIResult, NoFeasibleConfigError, RequestError
    from aicfg.experiments.plan import Certificate, Explanation, Plan, PoolPlan, Relaxation, Sources
    from aicfg.experiments.price import price
    from aicfg.experiments.schema import (
        Experiment,
        Fleet,
        Quant,
        RoleSearch,
        Search,
        Serving,
        Sla,
        Speculative,
        Workload,
    )
    from aicfg.experiments.schema_capacity import (
        Distribution,
        Load,
        Offer,
        Replan,
        Spare,
        WorkloadClass,
    )
    from aicfg.experiments.shares import Part, Step
    from aicfg.experiments.simulate import Simulation, simulate
    from aicfg.experiments.sweep import sweep
    from aicfg.experiments.whatif import whatif
    from aicfg.model_specs.errors import AicfgError, InputError

__version__ = "0.1.0"

_HOMES = {
    "aicfg.experiments.api": ("solve", "solve_all"),
    "aicfg.experiments.estimate": ("Estimate", "PoolEstimate", "Worker", "estimate"),
    "aicfg.experiments.loader": ("load",),
    "aicfg.experiments.peer.api": ("cli_default", "cli_exp", "cli_recommend", "cli_support"),
    "aicfg.experiments.peer.api_points": ("EstimateResult", "cli_estimate", "cli_generate"),
    "aicfg.experiments.peer.result": ("CLIResult", "NoFeasibleConfigError", "RequestError"),
    "aicfg.experiments.plan": ("Certificate", "Explanation", "Plan", "PoolPlan", "Relaxation", "Sources"),
    "aicfg.experiments.price": ("price",),
    "aicfg.experiments.schema": (
        "Experiment",
        "Fleet",
        "Quant",
        "RoleSearch",
        "Search",
        "Serving",
        "Sla",
        "Speculative",
        "Workload",
    ),
    "aicfg.experiments.schema_capacity": (
        "Distribution",
        "Load",
        "Offer",
        "Replan",
        "Spare",
        "WorkloadClass",
    ),
    "aicfg.experiments.shares": ("Part", "Step"),
    "aicfg.experiments.simulate": ("Simulation", "simulate"),
    "aicfg.experiments.sweep": ("sweep",),
    "aicfg.experiments.whatif": ("whatif",),
    "aicfg.model_specs.errors": ("AicfgError", "InputError"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AicfgError",
    "CLIResult",
    "Certificate",
    "Distribution",
    "Estimate",
    "EstimateResult",
    "Experiment",
    "Explanation",
    "Fleet",
    "InputError",
    "Load",
    "NoFeasibleConfigError",
    "Offer",
    "Part",
    "Plan",
    "PoolEstimate",
    "PoolPlan",
    "Quant",
    "Relaxation",
    "Replan",
    "RequestError",
    "RoleSearch",
    "Search",
    "Serving",
    "Simulation",
    "Sla",
    "Sources",
    "Spare",
    "Speculative",
    "Step",
    "Worker",
    "Workload",
    "WorkloadClass",
    "__version__",
    "cli_default",
    "cli_estimate",
    "cli_exp",
    "cli_generate",
    "cli_recommend",
    "cli_support",
    "estimate",
    "load",
    "price",
    "simulate",
    "solve",
    "solve_all",
    "sweep",
    "whatif",
]


def __getattr__(name: str) -> object:
    """Import a public name from where it lives, once."""
    if name not in _HOME:
        raise AttributeError(f"module 'aicfg' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
