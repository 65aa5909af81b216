"""What concerns the deployment files: flags parsed here and handed on to the generator."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aicfg.experiments.peer.answers.outcome import Solved
from aicfg.experiments.plans.plan import Plan
from aicfg.model_specs.errors import InputError, nearest

if TYPE_CHECKING:
    from aicfg.experiments.deploy.settings.schema import Settings


@dataclass(frozen=True)
class Generator:
    """What a call says about the deployment files."""

    file: Path | None = None
    words: tuple[str, ...] = ()
    shortcuts: Mapping[str, Any] = field(default_factory=dict)
    target: str | None = None

    def settings(self, more: Mapping[str, Any] | None = None) -> "Settings":
        """All of it, and ``more``, checked. Raises ``InputError``, one line a fault."""
        from aicfg.experiments.deploy.settings.reading import read_settings

        return read_settings(self.file, self.words, {**(more or {}), **self.shortcuts})

    def deploy(self, solved: Solved, rank: int, folder: Path) -> None:
        """Write the files of one of a result's plans."""
        plan = solved.plan_of(rank)
        write_files(
            plan, self.settings(_of_request(plan, solved.translation.deployment)), folder, self.target
        )


def generator_of(options: Namespace) -> Generator:
    """What the flags say."""
    found = {
        "K8sConfig.k8s_namespace": options.namespace,
        "K8sConfig.transport": options.transport,
        "K8sConfig.k8s_image_pull_secret": options.image_pull_secret,
        "generated_config_version": options.generated_config_version,
        "generator_dynamo_version": options.generator_dynamo_version,
    }
    if options.model_cache is not None:
        found |= _model_cache(options.model_cache)
    given = {key: value for key, value in found.items() if value is not None}
    file = None if options.generator_config is None else Path(options.generator_config)
    return Generator(file, tuple(options.generator_set or ()), given, options.deployment_target)


def generator_of_call(more: Mapping[str, Any]) -> Generator:
    """What the parameters of a Python call say."""
    words = more.get("generator_set") or ()
    if isinstance(words, Mapping):
        words = [f"{key}={value}" for key, value in words.items()]
    file, keys = more.get("generator_config"), ("generated_config_version", "generator_dynamo_version")
    given = {key: more[key] for key in keys if more.get(key) is not None}
    path = None if file is None else Path(file)
    return Generator(path, tuple(words), given, more.get("deployment_target"))


ATTENTION_FLAG = {"sglang": "--attention-backend", "vllm": "--attention-backend", "trtllm": "attn_backend"}
ATTENTION_NAMES = {
    "sglang": {name: name for name in ("fa3", "triton", "trtllm_mha", "flashinfer")},
    "vllm": {"fa3": "FLASH_ATTN", "triton": "TRITON_ATTN", "flashinfer": "FLASHINFER"},
    "trtllm": {"trtllm_mha": "TRTLLM", "flashinfer": "FLASHINFER"},
}
"""Attention kernels by AIConfigurator's name -> as each engine calls them."""


def _of_request(plan: Plan, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of an experiment that concern the servers alone, as settings of their roles."""
    found: dict[str, Any] = {}
    for pool in plan.pools:
        if asked.get("max_seq_len") is not None:
            found[f"params.{pool.role}.max_seq_len"] = asked["max_seq_len"]
        name = ATTENTION_NAMES[pool.backend].get(asked.get("attention_backend", ""))
        if name is not None:
            found[f"params.{pool.role}.extra_args.{ATTENTION_FLAG[pool.backend]}"] = name
    return found


def _model_cache(text: str) -> dict[str, str]:
    """``NAME[:MOUNT[:SUB]]``: a volume claim, where it is mounted, and the model's folder on it."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InputError(f"--model-cache: got {text!r}; expected NAME[:MOUNT[:SUB]]")
    names = ("k8s_pvc_name", "k8s_pvc_mount_path", "k8s_model_path_in_pvc")
    return {f"K8sConfig.{name}": part for name, part in zip(names, parts, strict=False)}


def generator_help(words: Sequence[str]) -> str | None:
    """The text that ``--generator-help`` asks for, whatever else is said; None where it is not there."""
    from aicfg.experiments.deploy.settings.help import SECTIONS, help_text

    names = [word.partition("=")[0] for word in words]
    if "--generator-help" not in names:
        return None
    at = names.index("--generator-help")
    section = words[at].partition("=")[2] or (words[at + 1] if at + 1 < len(words) else "")
    if section.startswith("-"):
        section = ""
    if section not in ("", "all", *SECTIONS):
        accepted = (*SECTIONS, "all")
        raise InputError(
            f"--generator-help: got {section!r}; expected {', '.join(accepted)}{nearest(section, accepted)}"
        )
    return help_text(None if section in ("", "all") else section)


TARGETS = {
    "dynamo-j2": ("dynamo", "dynamo-k8s"),
    "dynamo-python": ("dynamo", "dynamo-k8s"),
    "fpm": ("dynamo", "dynamo-k8s"),
    "llm-d-helm": ("llm-d",),
    "llm-d-kustomize": ("llm-d",),
}
"""AIConfigurator's kinds of deployment files -> ours; without one, all that can hold the plan."""


def write_files(plan: Plan, settings: "Settings", folder: Path, target: str | None = None) -> list[str]:
    """Write the deployment files of ``plan``; their names, relative to ``folder``."""
    from aicfg.experiments.deploy.write import write_deployment

    write_deployment(plan, folder, settings, TARGETS[target] if target else None)
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def artifacts(plan: Plan, generator: Generator) -> dict[str, str]:
    """The deployment files of ``plan`` as texts by name."""
    from aicfg.experiments.deploy.write import render

    return render(plan, generator.settings(), TARGETS[generator.target] if generator.target else None)
