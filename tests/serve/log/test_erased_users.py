from __future__ import annotations

import json
import time

import pytest

from pipelines.erase.erase import erase_user
from pipelines.events.erased import remember_erased
from pipelines.serve.log.erased_users import ErasedUsers
from tests.serve.publications import publish_by_hand, running_api

COMPOSED, DECOMPOSED = "zo\u00eb-77431", "zoe\u0308-77431"
LIST = "/v1/recommendations/"


def test_tombstones_are_read_again_and_hold_for_every_form_of_an_id(make_settings):
    settings = make_settings()
    erased = ErasedUsers(settings)
    assert not erased.poll() and not erased.has(COMPOSED)
    remember_erased(settings, DECOMPOSED)
    assert erased.poll()
    assert erased.has(COMPOSED) and erased.has(DECOMPOSED) and not erased.has("zoe-77431")
    assert not erased.poll()


def test_tombstones_that_cannot_be_read_stay_as_they_were(make_settings):
    settings = make_settings()
    remember_erased(settings, "u1")
    erased = ErasedUsers(settings)
    erased.poll()
    settings.erased.write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        erased.poll()
    assert erased.has("u1")


def send(api, user_id, item_id):
    event = {"event_type": "purchase", "user_id": user_id, "item_id": item_id}
    answer = api.post("/v1/events", json={"events": [event]})
    return answer.json()["results"][0]


def first_item(api, user_id):
    answer = api.get(LIST + user_id, params={"n": 1}).json()
    return answer["items"][0]["item_id"], [one["code"] for one in answer["warnings"]]


@pytest.mark.parametrize("asked_as", [COMPOSED, DECOMPOSED])
def test_a_running_api_forgets_an_erased_user(make_settings, content, lines_of, asked_as):
    settings = make_settings()
    publish_by_hand(settings, content())
    with running_api(settings, workers=2) as api:
        usual, _ = first_item(api, COMPOSED)
        assert send(api, COMPOSED, usual)["status"] == "accepted"
        assert send(api, "u1", "a")["status"] == "accepted"
        in_a_row = 0
        while in_a_row < 20:  # whichever worker answers
            in_a_row = in_a_row + 1 if first_item(api, DECOMPOSED)[0] != usual else 0
        said = []
        erase_user(settings, asked_as, show=said.append)
        assert any("an API that runs on this home forgets the user within" in one for one in said)
        deadline = time.monotonic() + 10
        in_a_row = 0
        while in_a_row < 20:
            assert time.monotonic() < deadline
            in_a_row = (
                in_a_row + 1 if first_item(api, DECOMPOSED) == (usual, ["erased_user"]) else 0
            )
        for form in (COMPOSED, DECOMPOSED):
            assert send(api, form, "b")["reason"].startswith("user_id was erased")
        assert first_item(api, "u1")[0] != "a"
    erase_user(settings, asked_as)  # what was answered in the seconds in between
    held = [line for kind in ("served", "events") for line in lines_of(settings, kind)]
    assert {json.loads(line)["user_id"] for line in held if line.strip()} == {"u1"}
