"""aicfg: the provably best way to serve a large language model on given GPUs.

>>> import aicfg
>>> plan = aicfg.solve("examples/qwen3-32b-h100-vllm.yaml")  # or a mapping, or an aicfg.Experiment
>>> plan.tokens_per_s, plan.pools, plan.certificate.gap

Everything is imported when it is first used, so ``import aicfg`` itself costs next to nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aicfg.experiments.api import solve, solve_all
    from aicfg.experiments.around.prices import price
    from aicfg.experiments.around.sweep import sweep
    from aicfg.experiments.around.whatif import whatif
    from aicfg.experiments.ask.loader import load
    from aicfg.experiments.ask.schema import (
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
    from aicfg.experiments.ask.schema_capacity import (
        Distribution,
        Load,
        Offer,
        Replan,
        Spare,
        WorkloadClass,
    )
    from aicfg.experiments.peer.api import cli_default, cli_exp, cli_recommend, cli_support
    from aicfg.experiments.peer.api_points import EstimateResult, cli_estimate, cli_generate
    from aicfg.experiments.peer.forms.result import CLIResult, NoFeasibleConfigError, RequestError
    from aicfg.experiments.plans.plan import Certificate, Explanation, Plan, PoolPlan, Relaxation, Sources
    from aicfg.experiments.plans.shares import Part, Step
    from aicfg.experiments.predictions.estimate import Estimate, PoolEstimate, Worker, estimate
    from aicfg.experiments.predictions.simulate import Simulation, simulate
    from aicfg.model_specs.errors import AicfgError, InputError

__version__ = "0.1.0"

_HOMES = {
    "aicfg.experiments.api": ("solve", "solve_all"),
    "aicfg.experiments.around.prices": ("price",),
    "aicfg.experiments.around.sweep": ("sweep",),
    "aicfg.experiments.around.whatif": ("whatif",),
    "aicfg.experiments.ask.loader": ("load",),
    "aicfg.experiments.ask.schema": (
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
    "aicfg.experiments.ask.schema_capacity": (
        "Distribution",
        "Load",
        "Offer",
        "Replan",
        "Spare",
        "WorkloadClass",
    ),
    "aicfg.experiments.peer.api": ("cli_default", "cli_exp", "cli_recommend", "cli_support"),
    "aicfg.experiments.peer.api_points": ("EstimateResult", "cli_estimate", "cli_generate"),
    "aicfg.experiments.peer.forms.result": ("CLIResult", "NoFeasibleConfigError", "RequestError"),
    "aicfg.experiments.plans.plan": ("Certificate", "Explanation", "Plan", "PoolPlan", "Relaxation", "Sources"),
    "aicfg.experiments.plans.shares": ("Part", "Step"),
    "aicfg.experiments.predictions.estimate": ("Estimate", "PoolEstimate", "Worker", "estimate"),
    "aicfg.experiments.predictions.simulate": ("Simulation", "simulate"),
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
