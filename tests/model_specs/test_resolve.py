"""Tests of aicfg.model_specs.resolve."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from aicfg.model_specs import resolve
from aicfg.model_specs.errors import InputError
from aicfg.model_specs.parts import MoeFacts
from aicfg.model_specs.resolve import catalogue_config, load_architecture

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 1024,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "intermediate_size": 2048,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
}


def test_the_assumed_family_reaches_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id of the catalogue and a folder alike are read as the family that is assumed for their class."""
    entry = catalogue_config("zai-org/GLM-5")
    unknown = {**CONFIG, "architectures": ["NobodyForCausalLM"]}
    (tmp_path / "nobody.yaml").write_text(f"nobody/model: {json.dumps(unknown)}\n")
    monkeypatch.setattr(resolve, "_CATALOG", tmp_path)
    arch = load_architecture("nobody/model", assume_family="llama")
    assert (arch.family, arch.hidden_size) == ("llama", 1024)
    assert arch.source.endswith("NobodyForCausalLM read as llama (assumed)")
    assert entry is not None
    (tmp_path / "config.json").write_text(json.dumps({**entry[1], "architectures": ["NobodyForCausalLM"]}))
    assert load_architecture(str(tmp_path), assume_family="moe").moe == MoeFacts(256, 8, 2048, 2048, 3)


def test_catalogue_file_holds_its_organisation_only() -> None:
    """The file of an id is found by the id's organisation, so no entry may stand elsewhere, nor twice."""
    for path in Path(resolve.__file__).with_name("catalog").glob("*.yaml"):
        names = [name.casefold() for name in resolve.entry_names(path)]
        assert all(name.startswith(f"{path.stem.casefold()}/") for name in names), path
        assert len(names) == len(set(names)), path


def test_letter_case_is_ignored() -> None:
    """An id typed in lower case is found and comes back as published."""
    assert load_architecture("qwen/qwen3-32b-fp8").model == "Qwen/Qwen3-32B-FP8"


@pytest.mark.parametrize("as_file", [False, True])
def test_local_folder_or_file(tmp_path: Path, as_file: bool) -> None:
    """A folder with config.json or the file itself is read, hf_quant_config.json beside it included."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    declared = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(declared))
    arch = load_architecture(str(tmp_path / "config.json" if as_file else tmp_path))
    assert (arch.hidden_size, arch.qk_norm, arch.checkpoint.gemm) == (1024, True, "fp8_static")
    assert arch.source == str(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[1]", "a JSON object is needed, found list"),
        (b"null", "a JSON object is needed, found NoneType"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"hidden_size": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_unreadable_config(tmp_path: Path, content: bytes, message: str) -> None:
    """A file that is no JSON object is refused by its name, without a traceback of the reader's."""
    file = tmp_path / "config.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        load_architecture(str(file))
    assert str(caught.value).startswith(str(file))


def test_huge_file_is_not_read(tmp_path: Path) -> None:
    """Weights given for a config are refused before they are read."""
    file = tmp_path / "model.safetensors"
    with file.open("wb") as handle:
        handle.truncate(2**27)
    with pytest.raises(InputError, match="larger than 64 MiB"):
        load_architecture(str(file))


def test_folder_without_config(tmp_path: Path) -> None:
    """An empty folder is named as such."""
    with pytest.raises(InputError, match=r"the folder has no config\.json"):
        load_architecture(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("qwen3-32b", "did you mean 'Qwen/Qwen3-32B'"),
        ("gpt2", "did you mean 'openai-community/gpt2'"),
        ("./nowhere", "no such catalogue id, folder or file"),
        ("/nowhere/config.json", "no such catalogue id, folder or file"),
        ("", "no such catalogue id, folder or file"),
        ("a\0b", "no such catalogue id, folder or file"),
        ("x" * 5000, "no such catalogue id, folder or file"),
    ],
)
def test_names_that_are_nothing(name: str, message: str) -> None:
    """A name that can be no hub id is refused without the network, with a close match if there is one."""
    with pytest.raises(InputError, match=message):
        load_architecture(name)


def test_without_the_hub_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without huggingface_hub an unknown id is refused with what to do and a close match."""
    monkeypatch.setattr(resolve, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"install aicfg-solver\[hub\]; did you mean 'Qwen/Qwen3-32B'"):
        load_architecture("Qwen/Qwen3-32")


class _MissingError(Exception):
    """Stands for the hub client's EntryNotFoundError."""


def _fake_hub(monkeypatch: pytest.MonkeyPatch, files: dict[str, Path | Exception]) -> None:
    def download(model: str, file: str, etag_timeout: float) -> str:
        found = files.get(file, _MissingError())
        if isinstance(found, Exception):
            raise found
        return str(found)

    hub, utils = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.utils")
    hub.hf_hub_download = download  # type: ignore[attr-defined]
    utils.EntryNotFoundError = _MissingError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    monkeypatch.setitem(sys.modules, "huggingface_hub.utils", utils)
    monkeypatch.setattr(resolve, "find_spec", lambda name: hub)


def test_hub_gives_the_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An id outside the catalogue is read from the hub; the quantisation file may be missing."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    _fake_hub(monkeypatch, {"config.json": tmp_path / "config.json"})
    arch = load_architecture("someone/tuned")
    assert (arch.model, arch.source) == ("someone/tuned", "huggingface.co/someone/tuned/config.json")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"huggingface.co/someone/tuned has no config\.json"),
        (
            {"config.json": OSError("no route\nto host")},
            r"the hub does not give it \(no route\): pass a folder",
        ),
    ],
)
def test_hub_fails(monkeypatch: pytest.MonkeyPatch, files: dict[str, Path | Exception], message: str) -> None:
    """A missing file and a dead network are one clear line each."""
    _fake_hub(monkeypatch, files)
    with pytest.raises(InputError, match=message):
        load_architecture("someone/tuned")


def test_loading_is_fast() -> None:
    """A catalogue id and its operations take under 10 ms in a fresh process, YAML's import aside."""
    script = (
        "import time, yaml\n"
        "from aicfg.model_specs.families import operations\n"
        "from aicfg.model_specs.layout import Layout\n"
        "from aicfg.model_specs.resolve import load_architecture\n"
        "start = time.perf_counter()\n"
        "operations(load_architecture('nvidia/Llama-3.1-70B-Instruct-FP8'), Layout(tp=4), 'decode')\n"
        "print(time.perf_counter() - start)\n"
    )
    runs = [subprocess.run([sys.executable, "-c", script], capture_output=True, check=True) for _ in range(3)]
    assert min(float(run.stdout) for run in runs) < 0.010


def test_import_does_not_load_yaml() -> None:
    """Importing the package costs no YAML parser and no numerical library."""
    script = (
        "import sys\n"
        "import aicfg.model_specs.families, aicfg.model_specs.resolve, aicfg.model_specs.sizes\n"
        "print([name for name in ('yaml', 'numpy', 'huggingface_hub') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == "[]"


def test_lookup_reads_one_organisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the file of the id's organisation is opened."""
    opened = []
    real = resolve.read_entry

    def spy(path: Path, name: str) -> object:
        opened.append(path.name)
        return real(path, name)

    monkeypatch.setattr(resolve, "read_entry", spy)
    start = time.perf_counter()
    catalogue_config("mistralai/Mistral-7B-v0.3")
    assert opened == ["mistralai.yaml"]
    assert time.perf_counter() - start < 0.1
