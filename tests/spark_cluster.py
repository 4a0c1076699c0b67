"""A Spark cluster on loopback: a master and two workers on free ports, stopped by their pids."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

from pipelines.base.config import Settings
from pipelines.base.settings_sections import SparkSettings
from pipelines.base.spark import make_java_home

#: Options of a Java that runs for minutes and keeps nothing.
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
#: Properties that keep a Spark of a few rows small and quick to start: no query is compiled.
SMALL = {
    "spark.default.parallelism": "1",
    "spark.driver.extraJavaOptions": f"{BRIEF} -Dderby.system.durability=test",
    "spark.driver.memory": "1g",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}
ON_CLUSTER = {
    **SMALL,
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.executor.extraJavaOptions": BRIEF,
    "spark.executor.memory": "512m",
}
WORKERS = 2
START_SECONDS = 180


def on_spark(settings: Settings, spark: SparkSettings) -> Settings:
    return settings.model_copy(update={"engine": "spark", "spark": spark})


@contextmanager
def spark_cluster(settings: Settings, folder: Path) -> Iterator[str]:
    """Yield the address of a master with two workers, of a core and 512 MB each."""
    spark = Path(find_spec("pyspark").submodule_search_locations[0])
    environment = {
        **os.environ,
        "JAVA_HOME": str(make_java_home(settings)),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_HOME": str(spark),
        "SPARK_LOCAL_DIRS": str(folder),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    port, page = free_port(), free_port()
    address = f"spark://127.0.0.1:{port}"
    here = ["--host", "127.0.0.1"]
    with ExitStack() as stack:

        def start(name: str, *arguments: str) -> None:
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            program = (
                f"org.apache.spark.deploy.{name.partition('-')[0].lower()}.{name.partition('-')[0]}"
            )
            process = subprocess.Popen(
                [str(spark / "bin" / "spark-class"), program, *arguments],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            stack.callback(stop, process)

        start("Master", *here, "--port", str(port), "--webui-port", str(page))
        for number in range(WORKERS):
            place = ["--work-dir", str(folder / f"work-{number}"), "--webui-port", "0"]
            start(f"Worker-{number}", address, *here, *place, "--cores", "1", "--memory", "512m")
        wait_for_workers(page, folder)
        yield address


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_for_workers(page: int, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page}/json/", timeout=5) as answer:
                if json.load(answer)["aliveworkers"] == WORKERS:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-2000:] for path in sorted(folder.glob("*.log")))
    raise TimeoutError(f"no {WORKERS} workers after {START_SECONDS} s: {logs}")
