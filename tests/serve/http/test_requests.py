from __future__ import annotations

import asyncio

import pytest
from fastapi import Request

from pipelines.base.errors import RequestRefusedError
from pipelines.serve.http.requests import (
    MAX_IDS,
    read_attributes,
    read_id,
    read_ids,
    read_optional_id,
    read_rows,
)


def test_ids_are_split_cleaned_and_each_told_once():
    assert read_ids("recent", "a,cafe\u0301,a") == ("a", "caf\u00e9")
    assert read_ids("recent", None) == read_ids("recent", "") == ()
    assert read_optional_id("category", None) is None


@pytest.mark.parametrize("text", ["a,,b", ",", "a,\x00"])
def test_a_bad_id_among_others_is_refused(text):
    with pytest.raises(RequestRefusedError, match="exclude must not") as refusal:
        read_ids("exclude", text)
    assert refusal.value.status == 422


def test_too_many_ids_are_refused():
    with pytest.raises(RequestRefusedError, match=f"at most {MAX_IDS} ids, holds {MAX_IDS + 1}"):
        read_ids("exclude", ",".join("x" * (MAX_IDS + 1)))


def test_attributes_are_texts_numbers_and_flags():
    told = '{"country": " DE ", "age": 34, "consent": true, "plan": null}'
    assert read_attributes(told) == {"country": "DE", "age": 34.0, "consent": True}
    assert read_attributes(None) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age=34", "attributes must be a JSON object"),
        ("[]", "must be an object of at most 50"),
        ('{"age": NaN}', "must be a JSON object"),
        ('{"age": 1e999}', "attributes.age must be a number of at most 1e.15"),
        ('{"age": ' + "9" * 400 + "}", "attributes.age must be a number of at most 1e.15"),
        ('{"plan": ["gold"]}', "attributes.plan must be a text, a number, true, false or null"),
        ('{"plan": ""}', "attributes.plan must not be empty"),
        ("{" + ",".join(f'"a{n}": 1' for n in range(51)) + "}", "at most 50 attributes"),
    ],
)
def test_other_attributes_are_refused(text, message):
    with pytest.raises(RequestRefusedError, match=message) as refusal:
        read_attributes(text)
    assert refusal.value.status == 422


def test_a_refusal_names_the_part():
    with pytest.raises(RequestRefusedError, match="user_id must not be empty") as refusal:
        read_id("user_id", "")
    assert refusal.value.errors == [{"where": "user_id", "detail": "must not be empty"}]


def rows_of(body, content_type=b"application/json; charset=utf-8"):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", content_type)]}
    return asyncio.run(read_rows(Request(scope, receive), "events"))


def test_rows_are_what_the_body_holds():
    assert rows_of(b'{"events": [1, {"a": 2}]}') == [1, {"a": 2}]


def test_a_body_of_another_kind_is_refused():
    with pytest.raises(RequestRefusedError, match="must be sent with Content-Type") as refusal:
        rows_of(b'{"events": [1]}', b"text/plain")
    assert refusal.value.status == 415


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "must be JSON"),
        (b'{"events": [Infinity]}', "must be JSON"),
        (b'{"event": []}', "must be an object"),
        (b'{"events": {}}', "must be an object"),
        (b'{"events": []}', "must hold 1 to 500 rows, holds 0"),
        (b'{"events": [' + b"1," * 500 + b"1]}", "must hold 1 to 500 rows, holds 501"),
    ],
)
def test_a_body_of_another_form_is_refused(body, message):
    with pytest.raises(RequestRefusedError, match=message):
        rows_of(body)
