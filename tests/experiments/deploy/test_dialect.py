"""Versions are data, and what the data says is what the servers' own flag lists hold."""

import pytest

from aicfg.experiments.deploy.dialect import ENGINES, allowed, dialect, engine_keys, exact_dialect, versions
from aicfg.experiments.deploy.release import release
from aicfg.model_specs.errors import InputError

FILES = [(engine, name, data) for engine in ENGINES for name, data in versions(engine).items()]


@pytest.mark.parametrize(("engine", "name", "data"), FILES, ids=[name for _, name, _ in FILES])
def test_every_flag_is_the_servers_own(engine: str, name: str, data: dict) -> None:
    """No version's file names a flag or an engine key that the version lacks, or that it calls deprecated."""
    known = allowed(data["flags_file"], "serve")
    for flag in data["flags"].values():
        assert flag is None or (flag in known and not known[flag].get("deprecated")), flag
    if "keys" in data:
        keys, _ = engine_keys(data["flags_file"])
        assert set(data["keys"].values()) <= keys.keys() | {"cuda_graph_config.max_batch_size"}


def test_every_wrapper_flag_is_dynamos_own() -> None:
    """The flags that Dynamo's release data names are in the list of its wrappers."""
    found = release(None)
    for engine in ENGINES:
        known = {**found.dialect(engine).allowed, **found.allowed(engine)}
        own = found.data["flags"][engine]
        assert all(flag in known for flag in own.values() if flag is not None)
    assert set(found.data["frontend"].values()) <= found.allowed("frontend").keys()


def test_a_version_without_a_file_takes_the_newest_before_it() -> None:
    """The note says which version the files are written for."""
    found, note = dialect("vllm", "0.30.0")
    assert found.version == "0.24.0"
    assert note is not None and "0.30.0" in note and "0.24.0" in note
    assert dialect("vllm", "0.1.0")[0].version == "0.24.0"
    assert dialect("vllm", "0.33.0")[1] is None


def test_release_candidates_share_a_file_and_keep_their_image() -> None:
    """TensorRT-LLM's candidates of one line are one file; the image has the version asked for."""
    found, note = dialect("trtllm", "1.3.0rc20")
    assert note is None
    assert found.image.endswith(":1.3.0rc20")


def test_a_newer_version_says_it_differently() -> None:
    """SGLang 0.5.23 has one flag for attention data parallelism, where 0.5.14 has two."""
    assert dialect("sglang", "0.5.14")[0].flag("attention_data_parallel") == "--enable-dp-attention"
    newer = dialect("sglang", "0.5.23")[0]
    assert newer.flag("data_parallel") == "--attn-dp-size"
    assert newer.flags["attention_data_parallel"] is None


def test_versions_that_are_asked_for_must_be_known() -> None:
    """A version that a user names is never replaced by another."""
    with pytest.raises(InputError, match=r"0\.23\.0.*0\.24\.0, 0\.33\.0"):
        exact_dialect("vllm", "0.23.0")
    with pytest.raises(InputError, match=r"generator_dynamo_version 0\.9"):
        release("0.9")


def test_formats_that_a_version_lacks_are_refused() -> None:
    """SGLang 0.5.14 has no nvfp4 KV cache."""
    with pytest.raises(InputError, match="nvfp4"):
        dialect("sglang", "0.5.14")[0].kv_cache_dtype("nvfp4")
