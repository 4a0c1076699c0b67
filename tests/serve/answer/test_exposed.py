from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime

import pytest

from pipelines.base.current import read_publication
from pipelines.base.durable import file_sha256
from pipelines.serve.answer.answers import Query
from pipelines.serve.answer.exposed import assign_user
from pipelines.serve.answer.list_store import ListStore
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.answer.ranking import Row
from pipelines.serve.answer.team_draft import draft_coin, draft_teams
from pipelines.serve.runtime import Runtime
from tests.measure import conftest as units
from tests.serve.publications import Content, packed, publish_by_hand

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


def read_log(settings):
    paths = sorted((settings.exposures / "date=2024-03-10").glob("served-*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def serve_everybody(settings, n=2):
    runtime = Runtime(settings, ServeMetrics(), lambda: NOW)
    runtime.poll()
    answers = {
        user: runtime.service.recommend(Query(user, n=n)).as_dict({"user_id": user})
        for user in USERS
    }
    runtime.stop()
    return answers


def test_interleaved_users_see_one_list_of_both_and_the_log_says_whose_each_item_is(published):
    experiment = make_experiment(method="interleave", goal="ctr", guardrails=[])
    settings, publication = published(experiment)
    answers = serve_everybody(settings, n=3)
    assert serve_everybody(settings, n=3)["u1"]["items"] == answers["u1"]["items"]
    seen = set()
    for line in read_log(settings):
        assert line["variant"] == "interleaved" == answers[line["user_id"]]["experiment"]["variant"]
        coin = draft_coin(line["user_id"], "home", publication.publication_id)
        other = "ab" if line["user_id"] == "u0" else "cb"
        lists = ([Row(item, 1.0, "", "") for item in items] for items in ("ab", other))
        rows, teams = draft_teams(*lists, coin)
        assert line["items"] == [row.item_id for row in rows]
        assert line["teams"] == [("control", "other")[team] for team in teams]
        assert "propensities" not in line
        seen.add("".join(line["items"]))
    assert seen >= {"acb", "cab"}


def test_an_item_that_may_not_be_shown_is_not_drafted(published):
    experiment = make_experiment(method="interleave", goal="ctr", guardrails=[])
    settings, _ = published(experiment)
    runtime = Runtime(settings, ServeMetrics(), lambda: NOW)
    runtime.poll()
    answer = runtime.service.recommend(Query("u1", n=3, exclude=("c",), is_strict=True))
    assert {row["item_id"] for row in answer.items} == {"a", "b"}
    assert set(answer.chances["teams"]) == {"control", "other"}
    assert answer.model_version == "ease-abc ease-abc"
    runtime.stop()


def test_explored_answers_log_the_chance_of_every_item(published):
    settings, _ = published(make_experiment())
    serve = settings.serve.model_copy(
        update={"explore_share": {"discover": 0.05}, "explore_depth": 1}
    )
    explored = settings.model_copy(update={"serve": serve})
    for _ in range(25):
        serve_everybody(explored)
    lines = read_log(settings)
    swapped = 0
    for line in lines:
        own = ["a", "b"] if line["variant"] == "control" or line["user_id"] == "u0" else ["c", "b"]
        is_swapped = line["items"] != own
        assert line["items"] == (own[::-1] if is_swapped else own)
        assert line["propensities"] == pytest.approx([0.05 if is_swapped else 0.95] * 2)
        swapped += is_swapped
    assert len(lines) == 1000 and abs(swapped - 50) < 4 * 50**0.5


def test_deterministic_answers_log_no_chance(published):
    settings, _ = published(make_experiment())
    serve_everybody(settings)
    assert not [line for line in read_log(settings) if "propensities" in line or "teams" in line]
