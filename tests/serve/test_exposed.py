from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime

import pytest

from pipelines.durable import file_sha256
from pipelines.recommend.current import read_publication
from pipelines.serve.answers import Query
from pipelines.serve.exposed import assign_user
from pipelines.serve.metrics import ServeMetrics
from pipelines.serve.runtime import Runtime
from pipelines.serve.store import ListStore
from tests.serve.publications import Content, packed, publish_by_hand
from tests.track import conftest as units

NOW = datetime(2024, 3, 10, 12, tzinfo=UTC)
USERS = [f"u{n}" for n in range(40)]


def make_experiment(**changes):
    arms = [
        {"name": "control", "weight": 0.5},
        {"name": "other", "weight": 0.5, "candidate": "ease"},
    ]
    return units.make_experiment(arms=arms, **changes)


@pytest.fixture
def published(make_settings):
    """A publication with an experiment; u0's lists are the same in both arms."""
    settings = make_settings()

    def publish(experiment):
        content = Content(
            lists={("discover", user): packed(["a", "b"]) for user in USERS},
            fallbacks={("discover", ""): packed(["b"], "popularity", "fallback: for anyone")},
            items={name: (None, None, None, True) for name in "abc"},
        )
        publication = publish_by_hand(settings, content, generated_at=NOW)
        path = publication.folder / "lists.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as out:
            for user in USERS:
                items = ["a", "b"] if user == "u0" else ["c", "b"]
                out.execute(
                    "insert into lists values ('discover', 'other', ?, ?)",
                    [user, json.dumps(packed(items))],
                )
            out.execute(
                "insert into meta values ('experiments', ?)", [json.dumps([experiment.as_dict()])]
            )
            out.commit()
        manifest = json.loads((publication.folder / "manifest.json").read_text())
        manifest["files"]["lists.sqlite"]["sha256"] = file_sha256(path)
        text = json.dumps(manifest)
        (publication.folder / "manifest.json").write_text(text)
        sha = file_sha256(publication.folder / "manifest.json")
        (publication.folder / "manifest.json.sha256").write_text(f"{sha}\n")
        pointer = settings.publications / "CURRENT.json"
        pointer.write_text(json.dumps({**json.loads(pointer.read_text()), "manifest_sha256": sha}))
        return settings, read_publication(settings, publication.publication_id)

    return publish


def test_the_arm_is_the_hashs_and_differing_lists_are_noticed(published):
    experiment = make_experiment()
    _, publication = published(experiment)
    store = ListStore.open(publication)
    assert store.variants("discover") == ("control", "other")
    for user in USERS:
        exposed = assign_user(store, "discover", user, 2)
        assert (exposed.variant, exposed.bucket) == experiment.assign(user)
        assert exposed.lists_differ == (user != "u0")
        assert exposed.config_hash == experiment.config_hash
    store.close()


def test_users_without_a_part_are_in_no_experiment(published):
    _, publication = published(make_experiment(coverage=0.01))
    store = ListStore.open(publication)
    outside = [user for user in USERS if assign_user(store, "discover", user, 2) is None]
    assert len(outside) >= 35
    store.close()


def test_the_api_serves_the_arm_and_logs_it(published):
    experiment = make_experiment()
    settings, _ = published(experiment)
    runtime = Runtime(settings, ServeMetrics(), lambda: NOW)
    runtime.poll()
    for user in USERS:
        answer = runtime.service.recommend(Query(user, n=2)).as_dict({"user_id": user})
        variant, bucket = experiment.assign(user)
        assert answer["experiment"] == {"id": "home", "variant": variant, "bucket": bucket}
        own = ["a", "b"] if variant == "control" or user == "u0" else ["c", "b"]
        assert [row["item_id"] for row in answer["items"]] == own
    known = runtime.service.recommend(Query("u1", n=2, experiment="home"))
    typo = runtime.service.recommend(Query("u1", n=2, experiment="hoem", is_dry_run=True))
    assert known.warnings == [] and typo.warnings == ["unknown_experiment"]
    runtime.stop()
    (path,) = (settings.exposures / "date=2024-03-10").glob("served-*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == len(USERS) + 1
    for line in lines:
        assert line["config_hash"] == experiment.config_hash
        assert (line["variant"], line["bucket"]) == experiment.assign(line["user_id"])
        assert line["lists_differ"] == (line["user_id"] != "u0")
