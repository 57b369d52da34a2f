"""The environment that `make` builds, and the modules that importing the package loads."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FROM_TORCH_BUILDS = ("nvidia-", "cuda-", "triton")
"""Prefixes of packages that only some builds of torch need; torch pins these itself."""


def constraints(environment: dict[str, str] | None = None) -> list[Requirement]:
    """The lines of constraints.txt that apply to the running Python, or to that of `environment`."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return [r for r in requirements if r.marker is None or r.marker.evaluate(environment)]


def pins() -> dict[str, str]:
    """Name -> version."""
    assert all([s.operator for s in requirement.specifier] == ["=="] for requirement in constraints())
    return {canonicalize_name(r.name): next(iter(r.specifier)).version for r in constraints()}


def dependencies(package: str, extra: str = "") -> list[Requirement]:
    """A package's requirements on this machine."""
    requirements = map(Requirement, distribution(package).requires or [])
    return [r for r in requirements if r.marker is None or r.marker.evaluate({"extra": extra})]


def all_dependencies() -> list[Requirement]:
    """The direct and indirect requirements of `cfld[dev]`."""
    found: dict[str, Requirement] = {}
    left = [("cfld", ""), ("cfld", "dev")]
    while left:
        for requirement in dependencies(*left.pop()):
            if str(requirement) not in found:
                found[str(requirement)] = requirement
                left += [(requirement.name, extra) for extra in ("", *requirement.extras)]
    return [r for r in found.values() if r.name != "cfld" and not r.name.startswith(FROM_TORCH_BUILDS)]


@pytest.mark.parametrize("name", ["torchvision", "timm", "lpips", "pytorch_fid", "cleanfid", "clip", "xformers"])
def test_packages_that_are_not_installed(name: str) -> None:
    assert find_spec(name) is None


def test_every_pin_satisfies_all_requirements() -> None:
    pinned = pins()
    outside = [
        str(requirement)
        for requirement in all_dependencies()
        if (pin := pinned.get(canonicalize_name(requirement.name)))
        and not requirement.specifier.contains(pin, prereleases=True)
    ]
    assert outside == []


def test_the_pins_are_exactly_the_requirements() -> None:
    assert set(pins()) == {canonicalize_name(requirement.name) for requirement in all_dependencies()}


def test_torch_is_pinned_to_the_tested_version_and_declared_as_a_range() -> None:
    (torch,) = (requirement for requirement in dependencies("cfld") if requirement.name == "torch")
    assert pins()["torch"] == "2.13.0"
    assert torch.specifier.contains("2.6.0")
    assert not torch.specifier.contains("2.5.1")


def test_pins_name_no_host() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert "://" not in text
    assert "@" not in text


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12"])
def test_every_package_is_pinned_once_for_each_python(version: str) -> None:
    names = [r.name for r in constraints({"python_version": version, "python_full_version": f"{version}.1"})]
    assert len(names) == len(set(names))
    assert {"torch", "diffusers", "numpy"} <= set(names)


def modules_after(code: str) -> set[str]:
    """The top-level modules loaded after running `code` in a fresh interpreter."""
    code += "\nimport sys\nprint(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.splitlines()[-1].split())


HEAVY = {"torch", "diffusers", "accelerate", "cv2", "numpy", "PIL"}


def test_importing_the_package_imports_no_torch() -> None:
    modules = modules_after("import cfld")
    assert "cfld" in modules
    assert modules.isdisjoint(HEAVY)


HELP = """
import contextlib
from cfld.cli import main
with contextlib.suppress(SystemExit):
    main({arguments!r})
"""


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["train", "--help"], ["data", "--help"]])
def test_help_imports_no_torch(arguments: list[str]) -> None:
    modules = modules_after(HELP.format(arguments=arguments))
    assert "tyro" in modules
    assert modules.isdisjoint(HEAVY)


def test_the_pipeline_is_imported_on_access() -> None:
    assert "torch" in modules_after("from cfld import CFLDPipeline\nassert CFLDPipeline.__name__ == 'CFLDPipeline'")


def test_the_command_is_installed() -> None:
    try:
        commands = {point.name: point.value for point in distribution("cfld").entry_points}
    except PackageNotFoundError:
        pytest.fail("the package is not installed: run `make setup`")
    assert commands["cfld"] == "cfld.cli:main"
