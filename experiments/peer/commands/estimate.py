"""``aicfg estimate`` with AIConfigurator's flags, said in our own: the same command answers both."""

import argparse
from collections.abc import Iterator, Sequence

from aicfg.experiments.peer.commands.parser import scalar
from aicfg.experiments.peer.requests.keys import BACKENDS, COMPONENTS, DATABASE_MODES
from aicfg.model_specs.errors import InputError

ROLES = {
    "agg": "agg",
    "disagg": "disagg",
    "static": "disagg",
    "static_ctx": "prefill",
    "static_gen": "decode",
}
"""Modes -> what is priced: static ones are workers of one phase."""
DEGREES = {
    "tp": ("--tp-size", "--tp"),
    "pp": ("--pp-size", "--pp"),
    "dp": ("--attention-dp-size", "--dp"),
    "moe_tp": ("--moe-tp-size", "--etp"),
    "moe_ep": ("--moe-ep-size", "--ep"),
}
NOT_MODELLED = (
    *("image-height", "image-width", "num-images", "encoder-tp", "encoder-batch-size", "encoder-num-workers"),
    *("n-a-nodes", "n-f-nodes", "a-tp-size", "a-batch-size", "f-moe-ep-size", "num-microbatches"),
    *("pipeline-model", "comm-overhead-factor", "afd-phase", "transfer-policy", "decode-system"),
    *("prefill-free-gpu-memory-fraction", "decode-free-gpu-memory-fraction", "max-seq-len"),
    *("prefill-max-seq-len", "decode-max-seq-len", "stride", "attention-backend"),
)
IGNORED = (
    "log-level",
    "engine-step-backend",
    "forward-model",
    "top-n",
    "save-dir",
    "detail",
    "deployment-target",
)
SWITCHES = (
    *("debug", "disable-encoder-dp", "enable-epd", "afd-combined-with-pd", "no-afd-combined-with-pd"),
    "boundary-on-ffn",
)
GENERATOR = (
    *("generator-config", "generator-set", "generator-help-backend", "config-template-version"),
    *("generated-config-version", "dynamo-version", "generator-dynamo-version", "namespace", "model-cache"),
    *("transport", "image-pull-secret"),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> "None":  # type: ignore[override]
        raise InputError(f"estimate: {message} (see aicfg estimate --help)")


def run_estimate(words: Sequence[str]) -> int:
    """Say it in the flags of our own ``estimate`` and run that."""
    import sys

    from aicfg.experiments.commands.grammar import run

    given = _parser().parse_args(list(words))
    idle = [name for name in NOT_MODELLED if getattr(given, name.replace("-", "_")) is not None]
    if idle:
        print(f"aicfg: note: not modelled: {', '.join(f'--{name}' for name in idle)}", file=sys.stderr)
    return run(["estimate", *own_words(given)])


def own_words(given: argparse.Namespace) -> list[str]:
    """The options as words of our own ``estimate``."""
    return [word for pair in _pairs(given) for word in pair if word]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="aicfg estimate", add_help=False)
    parser.add_argument("--model-path", "--model", dest="model", required=True)
    parser.add_argument("--system", required=True)
    parser.add_argument("--backend", choices=BACKENDS, default="trtllm")
    parser.add_argument("--backend-version", "--perf-db-version")
    parser.add_argument("--estimate-mode", choices=(*ROLES, "afd"), default="agg")
    parser.add_argument("--isl", default="1024")
    parser.add_argument("--osl", default="1024")
    parser.add_argument("--prefix")
    parser.add_argument("--batch-size", "--bs", default="128")
    parser.add_argument("--ctx-tokens")
    for name, flags in DEGREES.items():
        parser.add_argument(*flags, dest=name)
        for role in ("prefill", "decode"):
            long, short = (flag.removeprefix("--") for flag in flags)
            parser.add_argument(f"--{role}-{long}", f"--{role[0]}-{short}", dest=f"{role}_{name}")
    for role in ("prefill", "decode"):
        parser.add_argument(f"--{role}-batch-size", f"--{role[0]}-bs", dest=f"{role}_batch_size")
        parser.add_argument(f"--{role}-num-workers", f"--{role[0]}-workers", dest=f"{role}_workers")
    for component in COMPONENTS:
        parser.add_argument(f"--{component}-quant-mode")
    parser.add_argument("--database-mode", choices=DATABASE_MODES, type=str.upper)
    parser.add_argument("--nextn")
    parser.add_argument("--nextn-accepted")
    parser.add_argument("--free-gpu-memory-fraction")
    parser.add_argument("--systems-paths")
    parser.add_argument("--profile")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-color", action="store_true")
    for name in (*NOT_MODELLED, *IGNORED, *GENERATOR):
        parser.add_argument(f"--{name}")
    for name in SWITCHES:
        parser.add_argument(f"--{name}", action="store_true")
    return parser


def _pairs(given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    if given.estimate_mode == "afd":
        raise InputError("--estimate-mode afd: a split of attention and FFN is not modelled")
    role = ROLES[given.estimate_mode]
    yield "--role", role
    for name in ("model", "system", "backend", "isl", "osl"):
        yield f"--{name}", getattr(given, name)
    if given.database_mode:
        yield "--data-mode", given.database_mode.lower()
    if given.profile:
        yield "--profile", given.profile
    if given.systems_paths:
        yield "--systems-paths", given.systems_paths
    for name in DEGREES:
        yield from _both(given, role, name, f"--{name.replace('_', '-')}")
    yield from _both(given, role, "batch_size", "--batch")
    if role == "disagg":
        yield from _both(given, role, "workers", "--workers")
    if role == "agg" and given.ctx_tokens is not None:
        yield "--chunk", given.ctx_tokens
    for key, value in _settings(given):
        yield "--set", f"{key}={value}"
    for name in ("json", "no_color"):
        if getattr(given, name):
            yield f"--{name.replace('_', '-')}", ""


def _both(given: argparse.Namespace, role: str, name: str, flag: str) -> Iterator[tuple[str, str]]:
    """A figure of both roles as ``prefill/decode``, each its own or the shared one."""
    shared = getattr(given, name, None)
    if role != "disagg":
        if shared is not None:
            yield flag, shared
        return
    sides = [getattr(given, f"{side}_{name}") for side in ("prefill", "decode")]
    if given.estimate_mode == "disagg" and name == "batch_size":
        shared = None  # the shared batch is that of aggregated workers
    if any(each is not None for each in (*sides, shared)):
        yield flag, "/".join(each or shared or "1" for each in sides)


def _settings(given: argparse.Namespace) -> Iterator[tuple[str, str]]:
    values = {
        "workload.prefix": given.prefix,
        "serving.version": None
        if given.backend_version in (None, "current")
        else f"'{given.backend_version}'",
        "serving.memory_fraction": given.free_gpu_memory_fraction,
        "serving.speculative.nextn": _drafts(given),
        "serving.speculative.accepted": given.nextn_accepted,
    }
    values |= {f"serving.quant.{name}": getattr(given, f"{name}_quant_mode") for name in COMPONENTS}
    yield from ((key, value) for key, value in values.items() if value is not None)


def _drafts(given: argparse.Namespace) -> str | None:
    if given.nextn != "auto":
        return str(given.nextn) if given.nextn is not None and scalar(given.nextn) != 0 else None
    from aicfg.model_specs.resolve import load_architecture

    return str(load_architecture(given.model).nextn)
