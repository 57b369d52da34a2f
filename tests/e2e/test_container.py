"""The Dockerfile and conda's file: linted, and their commands run here, without Docker or conda."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
Instructions = list[tuple[str, str]]


@pytest.fixture(scope="module")
def instructions() -> Instructions:
    """Each instruction of the Dockerfile and its arguments."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def copied(instructions: Instructions) -> list[str]:
    """The files and folders that go into the image."""
    return [name for instruction, rest in instructions if instruction == "COPY" for name in rest.split()[:-1]]


def test_it_is_linted() -> None:
    program = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_build_context_holds_what_is_copied(instructions: Instructions) -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied(instructions)) == kept
    assert all((ROOT / name).exists() for name in kept)


def test_what_is_copied_installs_and_starts(instructions: Instructions, tmp_path: Path) -> None:
    """In an environment that has the dependencies: the command of RUN, then ENTRYPOINT with CMD."""
    python = environment(tmp_path / "environment")
    context = tmp_path / "context"
    for name in copied(instructions):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, context / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            context.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, context / name)
    variables = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    install, user = dict(instructions)["RUN"].split(" && ")
    assert user.startswith("useradd ")
    offline = {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_IGNORE_INSTALLED": "1"}
    subprocess.run(install, shell=True, cwd=context, env={**variables, **offline}, check=True)
    shutil.rmtree(context)
    start = [part for name in ("ENTRYPOINT", "CMD") for part in json.loads(dict(instructions)[name])]
    start[0] = str(python.with_name(start[0]))
    done = subprocess.run(start, cwd=tmp_path, env=variables, capture_output=True, text=True, check=True)
    assert "Coarse-to-Fine Latent Diffusion" in done.stdout
    where = subprocess.run(
        [python, "-c", "import cfld; print(cfld.__file__)"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).is_relative_to(tmp_path / "environment")


def environment(folder: Path) -> Path:
    """A virtual environment that sees this one's packages behind its own; the path of its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (Path(packages) / "behind.pth").write_text(sysconfig.get_path("purelib"))
    return python


def test_conda_asks_for_what_the_package_asks_for() -> None:
    conda: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"python {project['requires-python']}" in conda["dependencies"]
    (pip,) = (entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    extras = pip[0].removeprefix("-e .[").removesuffix("]").split(",")
    assert set(extras) <= set(project["optional-dependencies"])
