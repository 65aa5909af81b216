"""AIConfigurator's Python functions on our solver: ``cli_default``, ``cli_exp``, ``cli_generate``, ...

Parameters keep their names; the defaults are the documented ones (TTFT 1000 ms, TPOT 40 ms). Whatever is
wrong with the input raises ``RequestError``, which is an ``InputError`` of ours and a ``ValueError`` as
AIConfigurator's users catch it; nothing ends the process.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aicfg.experiments.ask.schema import DEFAULT_PROFILE, MAX_GPUS
from aicfg.experiments.peer.answers.comparison import Comparison, compared
from aicfg.experiments.peer.answers.outcome import Wanted, outcomes
from aicfg.experiments.peer.answers.supporting import Support, support
from aicfg.experiments.peer.forms.result import CLIResult, NoFeasibleConfigError, RequestError, result_of
from aicfg.experiments.peer.requests.documents import read_requests
from aicfg.experiments.peer.requests.request import Entry, Request, request_of
from aicfg.experiments.peer.requests.several import spread
from aicfg.experiments.peer.requests.translate import Settings
from aicfg.model_specs.errors import InputError

if TYPE_CHECKING:
    pass


def cli_default(
    model_path: str,
    total_gpus: int | None,
    system: str,
    *,
    backend: str = "trtllm",
    serving_mode: str = "auto",
    top_n: int = 5,
    save_dir: str | Path | None = None,
    profile: str | None = None,
    systems_paths: str | Sequence[str] | None = None,
    target_request_rate: float | None = None,
    target_concurrency: float | None = None,
    **more: Any,
) -> CLIResult:
    """The best aggregated and the best disaggregated plan, as ``aicfg default`` finds them.

    Parameters
    ----------
    more
        Any other key of an experiment or parameter of AIConfigurator's function: ``isl``, ``osl``,
        ``prefix``, ``ttft``, ``tpot``, ``request_latency``, ``database_mode``, ``backend_version``,
        ``decode_system``, ``nextn``, ``nextn_accepted``, ``strict_sla``, ``free_gpu_memory_fraction``,
        ``max_seq_len``, …

    Returns
    -------
    CLIResult
        With empty frames, and ``explanations``, where nothing is feasible.

    Raises
    ------
    RequestError
        For anything wrong with what is asked.
    """
    load = (target_request_rate, target_concurrency)
    with _requests_only():
        shared = _keys(model_path, total_gpus, system, backend, more, any(load))
        modes = ("agg", "disagg") if serving_mode in ("auto", "all") else (serving_mode,)
        if total_gpus == 1 and len(modes) > 1:
            modes = ("agg",)
        requests = [_request({**shared, "serving_mode": mode}) for mode in modes]
        return _result(requests, _settings(profile, systems_paths), top_n, save_dir, more, load)


def cli_recommend(
    model_path: str,
    system: str,
    *,
    target_request_rate: float | None = None,
    target_concurrency: float | None = None,
    database_mode: str = "HYBRID",
    **more: Any,
) -> CLIResult:
    """The fewest GPUs that serve a load, as ``aicfg recommend`` finds them.

    Raises
    ------
    RequestError
        For anything wrong with what is asked.
    NoFeasibleConfigError
        When no number of GPUs serves it.
    """
    if (target_request_rate is None) == (target_concurrency is None):
        raise RequestError("recommend: expected one of target_request_rate and target_concurrency")
    found = cli_default(
        model_path,
        None,
        system,
        database_mode=database_mode,
        target_request_rate=target_request_rate,
        target_concurrency=target_concurrency,
        **more,
    )
    return _some_plan(found)


def cli_exp(
    *,
    yaml_path: str | Path | None = None,
    config: Mapping[str, Any] | None = None,
    attention_backend: str | None = None,
    top_n: int = 5,
    save_dir: str | Path | None = None,
    profile: str | None = None,
    systems_paths: str | Sequence[str] | None = None,
) -> CLIResult:
    """Every experiment of a file, or of a mapping of the same form.

    Raises
    ------
    RequestError
        For anything wrong with what is asked.
    NoFeasibleConfigError
        When no experiment has a plan.
    """
    if (yaml_path is None) == (config is None):
        raise RequestError("cli_exp: expected one of yaml_path and config")
    with _requests_only():
        source = config if yaml_path is None else yaml_path
        assert source is not None
        requests = read_requests(source)
        if attention_backend is not None:
            kept = {"attention_backend": attention_backend}
            requests = [Request(each.name, {**each.values, **kept}) for each in requests]
        return _some_plan(
            _result(requests, _settings(profile, systems_paths), top_n, save_dir, {}, (None, None))
        )


def cli_support(
    model_path: str,
    system: str,
    *,
    backend: str = "trtllm",
    backend_version: str | None = None,
    profile: str | None = None,
) -> Support:
    """Whether a model can be served aggregated, and disaggregated: unpacks into the two answers.

    Raises
    ------
    RequestError
        For a name that does not exist.
    """
    with _requests_only():
        return support(model_path, system, backend, _settings(profile, None), backend_version)


@contextmanager
def _requests_only() -> Iterator[None]:
    try:
        yield
    except RequestError:
        raise
    except InputError as error:
        raise RequestError(str(error)) from error


_RENAMED = {
    "decode_system": "decode_system_name",
    "num_images": "num_images_per_request",
    "encoder_tp": "encoder_tp_candidates",
    "encoder_system": "encoder_system_name",
}
_GENERATOR = (
    *("generator_set", "generator_config", "generator_dynamo_version", "generated_config_version"),
    "deployment_target",
)


def _settings(profile: str | None, systems_paths: str | Sequence[str] | None) -> Settings:
    paths = systems_paths.split(",") if isinstance(systems_paths, str) else systems_paths
    return Settings(profile or DEFAULT_PROFILE, tuple(paths) if paths else None)


def _keys(
    model_path: str, total_gpus: int | None, system: str, backend: str, more: Mapping[str, Any], load: bool
) -> dict[str, Any]:
    own = {_RENAMED.get(key, key): value for key, value in more.items() if key not in _GENERATOR}
    gpus = MAX_GPUS if total_gpus is None and load else total_gpus
    return {
        "model_path": model_path,
        "total_gpus": gpus,
        "system_name": system,
        "backend_name": backend,
        **own,
    }


def _request(keys: Mapping[str, Any]) -> Request:
    if keys["serving_mode"] == "agg":
        keys = {key: value for key, value in keys.items() if key != "decode_system_name"}
    entries = [
        Entry(key, list(value) if isinstance(value, tuple) else value, (key,)) for key, value in keys.items()
    ]
    return request_of(str(keys["serving_mode"]), entries, lambda path: ".".join(path) or "cli_default")


def _result(
    requests: Sequence[Request],
    settings: Settings,
    top_n: int,
    save_dir: str | Path | None,
    more: Mapping[str, Any],
    load: tuple[float | None, float | None],
) -> CLIResult:
    every, names = spread(requests)
    wanted = Wanted(top_n=top_n, strict=bool(more.get("strict_sla")))
    if any(load):
        from aicfg.experiments.peer.answers.recommend import load_of, recommended

        target = load_of(every[0], request_rate=load[0], concurrency=load[1])
        comparison = recommended(every, names, settings, wanted, target)
    else:
        comparison = compared(list(outcomes(every, settings, wanted)), names, top_n)
    if not comparison.series:
        raise RequestError("\n".join(f"{each.request.name}: {each.reason}" for each in comparison.failed))
    found = result_of(comparison)
    return (
        found
        if save_dir is None
        else replace(found, output_dir=_saved(comparison, settings, Path(save_dir), more))
    )


def _some_plan(found: CLIResult) -> CLIResult:
    if found.chosen_exp:
        return found
    texts = [f"{name}: {each.text}" for name, each in found.explanations.items() if each]
    raise NoFeasibleConfigError("no plan exists (proven): " + " ".join(texts), found.explanations)


def _saved(comparison: Comparison, settings: Settings, save_dir: Path, more: Mapping[str, Any]) -> str:
    from aicfg.experiments.peer.forms.folder import save
    from aicfg.experiments.peer.forms.handing_on import generator_of_call
    from aicfg.experiments.peer.forms.report import report

    return str(
        save(comparison, settings, save_dir, report(comparison), deploy=generator_of_call(more).deploy)
    )
