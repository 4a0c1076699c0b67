"""Airflow writes under a folder of the test run, not under the developer's home."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def airflow_home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        patch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
        yield
