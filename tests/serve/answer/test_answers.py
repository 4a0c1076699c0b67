from __future__ import annotations

import math

from pipelines.serve.answer.answers import WARNINGS, Answer, Query, entry_of
from pipelines.serve.answer.ranking import Row


def test_an_answer_explains_its_warnings_and_says_for_whom_it_is():
    answer = Answer(
        request_id="r",
        items=[entry_of(1, Row("a", 0.5, "ease", "why"), {"a": "Item a"})],
        source="personal",
        model_version="m",
        publication_id="p",
        generated_at="g",
        age_seconds=3,
        is_stale=True,
        placement="discover",
        warnings=["stale"],
    )
    found = answer.as_dict({"user_id": "u"})
    assert (found["user_id"], found["stale"], found["experiment"]) == ("u", True, None)
    assert found["warnings"] == [{"code": "stale", "detail": WARNINGS["stale"]}]
    assert found["items"] == [
        {"item_id": "a", "rank": 1, "score": 0.5, "reason": "why", "title": "Item a"}
    ]


def test_an_item_without_a_title_has_none():
    assert entry_of(2, Row("b", math.pi, "", ""), {})["title"] is None


def test_a_question_has_the_defaults_of_the_api():
    query = Query("u")
    assert (query.n, query.is_strict, query.is_dry_run, query.placement) == (10, False, False, None)
