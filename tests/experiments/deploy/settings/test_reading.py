"""Settings: strict, typed, nested, and refused in one line that says what would be accepted."""

from pathlib import Path

import pytest

from aicfg.experiments.deploy.settings.help import help_text
from aicfg.experiments.deploy.settings.reading import read_settings
from aicfg.experiments.deploy.settings.schema import Settings
from aicfg.model_specs.errors import InputError


def test_types_are_kept() -> None:
    """Numbers, switches, lists, mappings and quoted text stay what YAML says they are."""
    found = read_settings(
        words=[
            "ServiceConfig.port=9000",
            "ServiceConfig.trust_remote_code=true",
            "params.decode.memory_fraction=0.85",
            "BenchConfig.concurrency=[1, 2, 4]",
            "K8sConfig.extra_env={NCCL_DEBUG: '1'}",
            "ServiceConfig.served_model_name='123'",
        ]
    )
    assert found.service.port == 9000
    assert found.service.trust_remote_code is True
    assert found.params.decode.memory_fraction == 0.85
    assert found.bench.concurrency == [1, 2, 4]
    assert found.k8s.extra_env == {"NCCL_DEBUG": "1"}
    assert found.service.served_model_name == "123"


def test_shortcuts_count_more_than_words_and_words_more_than_the_file(tmp_path: Path) -> None:
    """A shortcut flag, then KEY=VALUE, then the file, then the default."""
    file = tmp_path / "settings.yaml"
    file.write_text("K8sConfig: {k8s_namespace: a, name_prefix: a}\nServiceConfig: {port: 1}\n")
    words = ["K8sConfig.k8s_namespace=b", "K8sConfig.name_prefix=b"]
    found = read_settings(file, words, {"K8sConfig.k8s_namespace": "c"})
    assert (found.k8s.k8s_namespace, found.k8s.name_prefix, found.service.port) == ("c", "b", 1)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("K8sConfig.k8s_namspace=x", "did you mean 'k8s_namespace'"),
        ("K8Config.k8s_namespace=x", "did you mean 'K8sConfig'"),
        ("ServiceConfig.port=99999", "expected a port from 1 to 65,535"),
        ("ServiceConfig.port='8000'", "got text '8000'"),
        ("K8sConfig.transport=ibb", "did you mean 'ib'"),
        ("K8sConfig=3", "expected a mapping with the keys"),
        ("params.agg.enable_prefix_caching=maybe", "expected true or false"),
        ("params.agg.max_batch_size=1.5", "expected a whole number"),
        ("params.agg.tensor_parallel_size=4", "the plan decides this"),
        ("DynConfig.mode=agg", "the plan decides this"),
        ("ServiceConfig.hf_token=hf_x", "secrets are never written"),
        ("novalue", "expected KEY=VALUE"),
        ("=x", "expected KEY=VALUE"),
        ("a..b=1", "expected KEY=VALUE"),
    ],
)
def test_what_is_not_accepted_is_said_in_one_line(word: str, said: str) -> None:
    """The message names the key and what would be accepted."""
    with pytest.raises(InputError) as refused:
        read_settings(words=[word])
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    """A file with several faults gets a line for each."""
    file = tmp_path / "settings.yaml"
    file.write_text("ServiceConfig: {port: 0, prt: 1}\nBenchConfig: {concurrency: []}\n")
    with pytest.raises(InputError) as refused:
        read_settings(file)
    assert len(str(refused.value).splitlines()) == 3


def test_help_lists_every_key() -> None:
    """--generator-help names each setting with what it accepts; a section only its own."""
    whole = help_text(None)
    for key in ("ServiceConfig.port", "params.decode.max_batch_size", "BenchConfig.concurrency"):
        assert f"\n{key}: " in whole
    assert "params." not in help_text("deploy")
    assert "K8sConfig" not in help_text("backend")
    assert "vllm: 0.24.0, 0.33.0" in help_text("backend")


def test_defaults_are_the_empty_settings() -> None:
    """Nothing given is the default of everything."""
    assert read_settings() == Settings()
