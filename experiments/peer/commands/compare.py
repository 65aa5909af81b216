"""``aicfg default``, ``exp`` and ``recommend``: flags in, results shown and saved; ``generate``."""

import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aicfg.experiments.ask.schema import DEFAULT_PROFILE, MAX_GPUS
from aicfg.experiments.peer.commands.parser import flag_of, keys_given, parse
from aicfg.experiments.peer.requests.request import Entry, Request, request_of
from aicfg.experiments.peer.requests.translate import Settings, translate
from aicfg.model_specs.errors import AicfgError, InputError

if TYPE_CHECKING:
    from aicfg.experiments.peer.answers.comparison import Comparison
    from aicfg.experiments.peer.forms.handing_on import Generator


def run(command: str, words: Sequence[str]) -> int:
    """Run one command; the exit code."""
    if any(word.partition("=")[0] == "--generator-help" for word in words):
        from aicfg.experiments.peer.forms.handing_on import generator_help

        print(generator_help(words))
        return 0
    options = parse(command, words)
    try:
        if command == "generate":
            from aicfg.experiments.peer.commands.generate import run_generate

            return run_generate(options)
        return _compare(command, options)
    except AicfgError:
        if options.debug:
            traceback.print_exc()
        raise


def settings_of(options: Namespace) -> Settings:
    """What the flags say for all experiments of the call."""
    paths = None
    if options.systems_paths is not None:
        paths = tuple(path for path in options.systems_paths.split(",") if path)
    return Settings(options.profile or DEFAULT_PROFILE, paths, options.assume_family)


def _compare(command: str, options: Namespace) -> int:
    from aicfg.experiments.peer.forms.handing_on import generator_of

    settings = settings_of(options)
    _check(generator_of(options))
    requests, names = requests_of(command, options)
    if options.print_experiment:
        return _print_experiments(requests, settings)
    comparison = _solved(requests, names, settings, options)
    return _show(comparison, settings, options)


def _check(generator: "Generator") -> None:
    """Refuse wrong settings of the deployment files before anything is solved."""
    if generator.file is not None or generator.words or generator.shortcuts:
        generator.settings()


def _load(options: Namespace) -> bool:
    """Whether the call asks for the fewest GPUs for a load."""
    rate = getattr(options, "target_request_rate", None)
    flight = getattr(options, "target_concurrency", None)
    if rate is not None and flight is not None:
        raise InputError("--target-request-rate: given beside --target-concurrency; keep one of the two")
    return rate is not None or flight is not None


def requests_of(command: str, options: Namespace) -> tuple[list[Request], list[str]]:
    """The experiments that the flags or the file ask for, and the name of each one's table."""
    from aicfg.experiments.peer.requests.several import spread

    if command == "exp":
        from aicfg.experiments.peer.requests.documents import read_requests

        found = read_requests(options.yaml_path)
        if options.attention_backend is not None:
            kept = {"attention_backend": options.attention_backend}
            found = [Request(each.name, {**each.values, **kept}) for each in found]
        return spread(found)
    return spread(of_modes(command, options))


def of_modes(command: str, options: Namespace) -> list[Request]:
    """The experiment of each serving mode that the flags ask for."""
    keys = keys_given(command, options)
    if _load(options):
        keys.setdefault("total_gpus", MAX_GPUS)
    elif "total_gpus" not in keys:
        what = "expected " if command == "recommend" else "--total-gpus: missing; expected it, or "
        raise InputError(f"{command}: {what}--target-request-rate or --target-concurrency")
    if command == "recommend":
        keys.setdefault("database_mode", "HYBRID")
    mode = getattr(options, "serving_mode", None) or "auto"
    modes = ("agg", "disagg") if mode in ("auto", "all") else (mode,)
    return [
        _request(command, {**keys, "serving_mode": each}) for each in modes if not _too_few(each, mode, keys)
    ]


def _too_few(each: str, mode: str, keys: dict[str, Any]) -> bool:
    """One GPU cannot be split in two roles; that is a mistake only where the split was asked for."""
    return each == "disagg" and mode in ("auto", "all") and keys.get("total_gpus") == 1


def _request(command: str, keys: dict[str, Any]) -> Request:
    if keys["serving_mode"] == "agg":
        keys = {key: value for key, value in keys.items() if key != "decode_system_name"}
    entries = [
        Entry(key, list(value) if isinstance(value, tuple) else value, (key,)) for key, value in keys.items()
    ]
    return request_of(
        keys["serving_mode"], entries, lambda path: flag_of(command, path[0]) if path else command
    )


def _print_experiments(requests: list[Request], settings: Settings) -> int:
    import yaml

    experiments: dict[str, Any] = {}
    for request in requests:
        for plain in translate(request, settings).experiments:
            experiments[plain["name"]] = {key: value for key, value in plain.items() if key != "name"}
    print(yaml.safe_dump({"experiments": experiments}, sort_keys=False, allow_unicode=True), end="")
    return 0


def _solved(
    requests: list[Request], names: list[str], settings: Settings, options: Namespace
) -> "Comparison":
    from aicfg.experiments.peer.answers.comparison import compared
    from aicfg.experiments.peer.answers.outcome import Wanted, outcomes

    top_n = options.top_n or 5
    wanted = Wanted(
        top_n=top_n,
        frontier=not options.json,
        strict=bool(getattr(options, "strict_sla", False)),
        engine=options.engine or "highs",
        time_limit_s=options.time_limit,
        nearest=bool(options.allow_violation),
    )
    if _load(options):
        from aicfg.experiments.peer.answers.recommend import load_of, recommended

        rate, flight = options.target_request_rate, options.target_concurrency
        load = load_of(requests[0], request_rate=rate, concurrency=flight)
        return recommended(requests, names, settings, wanted, load)
    found = []
    for request, outcome in zip(requests, outcomes(requests, settings, wanted), strict=True):
        found.append(outcome)
        if len(requests) > 1 and sys.stderr.isatty():
            print(f"aicfg: solved {request.name} ({len(found)} of {len(requests)})", file=sys.stderr)
    return compared(found, names, top_n)


def _show(comparison: "Comparison", settings: Settings, options: Namespace) -> int:
    from aicfg.experiments.peer.forms.report import report

    if not comparison.series:
        raise InputError("\n".join(f"{each.request.name}: {each.reason}" for each in comparison.failed))
    text = (
        ""
        if options.json
        else report(comparison, inclusive_tpot=bool(getattr(options, "inclusive_tpot", False)))
    )
    if options.json:
        from aicfg.experiments.plans.plan import json_text

        print(json_text([each.plan for each in comparison.solved], indent=2))
    else:
        print(text, end="")
    if options.save_dir is not None:
        _save(comparison, settings, options, text)
    return comparison.exit_code(fail_on_any=bool(options.fail_on_any))


def _save(comparison: "Comparison", settings: Settings, options: Namespace, text: str) -> None:
    from aicfg.experiments.peer.forms.folder import save
    from aicfg.experiments.peer.forms.handing_on import generator_of
    from aicfg.experiments.peer.forms.report import report

    name = "" if options.flat else None
    folder = save(
        comparison,
        settings,
        Path(options.save_dir),
        text or report(comparison),
        name=name,
        deploy=generator_of(options).deploy,
    )
    print(f"aicfg: saved {folder}", file=sys.stderr)
