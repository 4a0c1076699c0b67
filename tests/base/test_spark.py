from __future__ import annotations

import os
import subprocess

import pytest

from pipelines.base import spark
from pipelines.base.config import parse_settings
from pipelines.base.errors import SettingsError
from pipelines.base.spark import make_java_home, require_spark, spark_properties, spark_session


def settings_of(home, **section):
    return parse_settings({"home": home, "engine": "spark", "spark": section})


def test_the_java_of_the_lock_runs_without_the_argument_it_refuses(tmp_path):
    java = make_java_home(settings_of(tmp_path)) / "bin" / "java"
    asked = [java, "--add-modules=jdk.incubator.vector", "-version"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True)
    assert 'version "25' in told.stderr
    assert java.is_relative_to(tmp_path) and os.access(java, os.X_OK)


def test_properties_of_the_settings_hold_but_not_against_the_tables_of_the_home(tmp_path):
    found = spark_properties(settings_of(tmp_path, conf={"spark.driver.memory": "7g"}))
    assert found["spark.driver.memory"] == "7g"
    assert found["spark.sql.warehouse.dir"] == str(tmp_path / "spark" / "tables")
    assert found["spark.driver.host"] == "127.0.0.1"
    on_cluster = spark_properties(settings_of(tmp_path, master="spark://shop:7077"))
    assert "spark.driver.host" not in on_cluster


def test_a_property_that_the_tables_depend_on_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="cannot be set here. Found spark.sql.session.timeZone"):
        settings_of(tmp_path, conf={"spark.sql.session.timeZone": "CET"})


def test_without_the_extra_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(spark, "MODULES", ("pyspark", "ghost", "no.such.thing"))
    with pytest.raises(SettingsError, match=r"Found no ghost, no no.such.thing. Run .*\[spark\]"):
        require_spark()
    with pytest.raises(SettingsError, match="must have the packages of the extra"):
        spark_session(settings_of(tmp_path)).__enter__()


def test_the_environment_is_as_it_was_after_a_session_that_did_not_start(tmp_path, monkeypatch):
    before = dict(os.environ)

    def refuse(settings):
        os.environ["JAVA_HOME"] = "elsewhere"
        raise OSError("no place")

    monkeypatch.setattr(spark, "make_java_home", refuse)
    with pytest.raises(OSError, match="no place"), spark_session(settings_of(tmp_path)):
        pass
    assert dict(os.environ) == before
