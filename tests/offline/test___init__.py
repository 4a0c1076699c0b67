from __future__ import annotations

import subprocess
import sys

import pytest

import pipelines.offline


def test_verbs_are_found_when_they_are_asked_for() -> None:
    for name in pipelines.offline.__all__:
        assert callable(getattr(pipelines.offline, name))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'guess'"):
        _ = pipelines.offline.guess


def test_importing_the_stage_and_its_commands_loads_nothing_heavy() -> None:
    heavy = ("mlflow", "matplotlib", "pandas", "sklearn", "scipy")
    code = (
        "import sys, pipelines.offline, pipelines.offline.commands; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )

    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "[]"
