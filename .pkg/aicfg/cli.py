"""AIConfigurator's Python functions on aicfg's solver, under the names that its users import.

>>> from aicfg.cli import cli_default
>>> result = cli_default("Qwen/Qwen3-32B-FP8", 16, "h100_sxm", backend="vllm", ttft=1000, tpot=40)
>>> result.chosen_exp, result.best_configs["disagg"].head()
"""

from aicfg.experiments.peer.answers.supporting import Support
from aicfg.experiments.peer.api import cli_default, cli_exp, cli_recommend, cli_support
from aicfg.experiments.peer.api_points import EstimateResult, cli_estimate, cli_generate
from aicfg.experiments.peer.forms.result import CLIResult, NoFeasibleConfigError, RequestError

__all__ = [
    "CLIResult",
    "EstimateResult",
    "NoFeasibleConfigError",
    "RequestError",
    "Support",
    "cli_default",
    "cli_estimate",
    "cli_exp",
    "cli_generate",
    "cli_recommend",
    "cli_support",
]
