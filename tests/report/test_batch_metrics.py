from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.base.config import parse_settings
from pipelines.base.current import read_current
from pipelines.base.durable import read_json
from pipelines.base.notify_settings import PrometheusSettings
from pipelines.report.batch_metrics import export_metrics
from pipelines.run.services import free_port
from tests.conftest import shop_night
from tests.receivers import dead_receiver, web_receiver

NOW = datetime(2024, 3, 11, 3, tzinfo=UTC)


def with_prometheus(settings, **chosen):
    return settings.model_copy(update={"prometheus": PrometheusSettings(**chosen)})


def read(text):
    """Value of every sample, by name and labels in the order of their names."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def exported(shop_after, tmp_path):
    """The metrics of the small shop's tenth week, as the file has them, and its settings."""
    settings = with_prometheus(shop_after(10), textfile=tmp_path / "node" / "recsys.prom")
    export_metrics(settings, NOW)
    return read(settings.prometheus.textfile.read_text()), settings


def test_the_file_has_the_figures_of_the_night(exported):
    found, settings = exported
    live, run = read_current(settings).manifest, settings.run_folder(shop_night(10))
    known_until = datetime(2024, 3, 11, tzinfo=UTC)
    assert found["recsys_served_users",] == live["user_count"] > 100
    assert found["recsys_publication_rows",] == live["row_count"]
    assert found["recsys_step_rows", "publish", ""] == live["row_count"]
    assert found["recsys_publication_as_of_timestamp_seconds",] == known_until.timestamp()
    assert found["recsys_publication_age_seconds",] == (NOW - known_until).total_seconds()
    assert found["recsys_night_published",] == 1
    assert (
        found["recsys_step_rows", "load_days", "events"]
        == (read_json(run.load)["feeds"]["events"]["row_count"])
    )
    steps = {step["verb"]: step["seconds"] for step in map(read_json, run.steps.glob("*.json"))}
    assert found["recsys_step_seconds", "take_snapshot", ""] == steps["take_snapshot"]
    for placement in settings.placements:
        champion = read_json(run.gate(placement))["champion"]["name"]
        metrics = read_json(run.evaluation(champion, "gate", placement) / "metrics.json")
        ndcg = metrics["metrics"]["ndcg_at_5"]["all"]["value"]
        assert found["recsys_champion_ndcg", "5", placement] == ndcg > 0
        assert found["recsys_step_rows", "generate_lists", placement] > 0
    for verb in ("take_snapshot", "generate_similar"):
        assert ("recsys_step_rows", verb, "") in found


def test_no_label_names_a_user_or_an_item(exported):
    found, settings = exported
    known = {"", "5", *settings.placements, *(one.name for one in settings.candidates)}
    labels = {label for _, *named in found for label in named}
    steps = {label for label in labels if "_" in label or label in {"publish"}}
    assert labels - steps <= known | {"events", "items", "users"}


def test_everybody_may_read_the_file_and_nothing_else_is_left(exported):
    _, settings = exported
    path = settings.prometheus.textfile
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in path.parent.iterdir()] == ["recsys.prom"]


def test_a_home_without_a_night_has_a_file_without_figures(make_settings, tmp_path):
    export_metrics(with_prometheus(make_settings(), textfile=tmp_path / "x.prom"), NOW)
    assert (tmp_path / "x.prom").read_text() == ""


def test_a_gateway_gets_the_same_by_its_job(make_settings, shop_after):
    with web_receiver() as web:
        address = f"http://127.0.0.1:{web.port}"
        export_metrics(with_prometheus(shop_after(10), pushgateway=address, job="shop"), NOW)
    ((method, path, _, body),) = web.requests
    assert (method, path) == ("PUT", "/metrics/job/shop")
    assert ("recsys_served_users",) in read(body.decode())


def test_neither_a_dead_gateway_nor_a_missing_folder_stops_anybody(make_settings, caplog):
    with dead_receiver() as port:
        for address in (f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}", "env:UNSET"):
            chosen = {"pushgateway": address, "timeout_seconds": 0.2}
            export_metrics(with_prometheus(make_settings(), **chosen), NOW)
    export_metrics(with_prometheus(make_settings(), textfile=Path("/proc/x.prom")), NOW)
    assert caplog.text.count("did not take the metrics") == 2
    assert "$UNSET must hold the address of a Pushgateway" in caplog.text
    assert "prometheus.textfile could not be written" in caplog.text


def test_nothing_is_read_where_nothing_is_asked_for(tmp_path):
    export_metrics(parse_settings({"home": tmp_path / "none"}), NOW)
    assert not (tmp_path / "none").exists()
