"""The wheel carries everything: installed alone, it solves an example."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("model_specs/", "hardware/", "solver/", "experiments/")
EXAMPLE = ROOT / "examples" / "qwen3-32b-h100-vllm.yaml"


def run(*command: str | Path, **options: object) -> str:
    """Run to success and return what was printed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr[-2000:]
    return str(done.stdout)


def held(wheel: Path) -> set[str]:
    """What of the package's folders the wheel holds, by the path in the repository."""
    return {name.removeprefix("aicfg/") for name in ZipFile(wheel).namelist()}


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to copy the sources")
def test_wheel_solves_an_example(tmp_path: Path) -> None:
    """Built from the tracked sources and installed without its dependencies, beside ours."""
    source = tmp_path / "source"
    names = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for name in filter(None, names):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target, follow_symlinks=False)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path / "dist", source)
    (wheel,) = (tmp_path / "dist").glob("aicfg_solver-*.whl")
    ours = {name for name in names if name.startswith(PACKAGES)}
    assert not ours - held(wheel), "tracked, and not in the wheel"
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", wheel)
    dependencies = next(path for path in sys.path if path.endswith("site-packages"))
    (own,) = (tmp_path / "env" / "lib").glob("python3*/site-packages")
    (own / "dependencies.pth").write_text(
        dependencies + "\n", encoding="utf-8"
    )  # searched after the wheel's own folder
    clean = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    where = run(
        python, "-c", "import aicfg.hardware; print(aicfg.hardware.__file__)", env=clean, cwd=tmp_path
    )
    assert where.startswith(str(tmp_path / "env")), "the wheel's own modules must be the ones that run"
    plan = json.loads(
        run(python, "-m", "aicfg.experiments.cli", "solve", EXAMPLE, "--json", env=clean, cwd=tmp_path)
    )
    assert plan["status"] == "optimal"
