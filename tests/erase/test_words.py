from __future__ import annotations

import json

import pytest

from pipelines.erase.words import UserWords


@pytest.mark.parametrize(
    ("text", "is_in"),
    [
        ("17841", True),
        ('{"user_id":"17841","n":1}', True),
        ("--user 17841.", True),
        ("178410", False),
        ("u17841", False),
        ("a17841@shop", False),
    ],
)
def test_a_short_id_is_a_word_of_its_own(text, is_in):
    words = UserWords("17841")
    assert (words.is_in(text), bool(words.byte_pattern.search(text.encode()))) == (is_in, is_in)


@pytest.mark.parametrize("user_id", ["Zoë-O'Neill-77431", 'quo"ted & <b>/1', "plain-enough-id"])
def test_a_distinct_id_is_found_however_it_is_written(user_id):
    words = UserWords(user_id)
    written = [
        f"x{user_id}y".encode(),
        json.dumps({"x": user_id}).encode(),
        json.dumps({"x": user_id}, ensure_ascii=False).encode(),
        *(user_id.encode(name) for name in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")),
    ]
    assert all(words.byte_pattern.search(one) for one in written)
    assert not words.byte_pattern.search(user_id[:-1].encode())


def test_strings_and_keys_of_json_are_redacted_and_numbers_are_not():
    found = UserWords("17841").redact_json({"17841": ["17841 bought", 17841], "178410": None})
    assert found == {"[erased]": ["[erased] bought", 17841], "178410": None}


def test_an_item_may_have_the_same_short_id_and_keeps_it():
    row = {"item_id": "17841", "user_id": "17841"}
    assert UserWords("17841").redact_json(row) == {"item_id": "17841", "user_id": "[erased]"}


@pytest.mark.parametrize("given", ["zo\u00eb", "zoe\u0308"])
@pytest.mark.parametrize("written", ["zo\u00eb", "zoe\u0308"])
def test_an_id_is_found_in_either_form_of_unicode(given, written):
    words = UserWords(given)
    line = json.dumps({"user_id": written})
    for text in (line, json.dumps({"user_id": written}, ensure_ascii=False)):
        assert words.is_in(text) and words.byte_pattern.search(text.encode())
        assert words.redact(text) == '{"user_id": "[erased]"}'
    assert not words.is_in("zoe")
