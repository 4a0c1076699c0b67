from __future__ import annotations

import unicodedata

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.ids import clean_id, is_nobody
from pipelines.events.values import create_macros


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must not be empty"),
        (" \u00a0\u200b\ufeff", "must not be empty"),
        ("a" * 257, "must have at most 256 characters, has 257"),
        ("a\x00b", "must not hold control characters, holds U\\+0000"),
        ("a\u202eb", "must not hold control characters, holds U\\+202E"),
        ("a\ud800", "must not hold control characters, holds a surrogate"),
        ("a\ufdd0", "must be valid UTF-8"),
    ],
)
def test_what_is_no_id_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        clean_id(text)


@pytest.fixture(scope="module")
def macros():
    connection = duckdb.connect()
    create_macros(connection)
    return connection


@given(st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=12))
def test_the_door_of_sql_and_that_of_the_api_give_the_same_id(macros, text):
    try:
        wanted = clean_id(text)
    except ValueError:
        return
    if not unicodedata.is_normalized("NFC", text):
        assert unicodedata.is_normalized("NFC", wanted)
    assert macros.execute("select as_id(?)", [text]).fetchone() == (wanted,)


def test_nobody_has_any_case():
    assert is_nobody("NULL", ("null", "(not set)")) and is_nobody("(Not Set)", ("(not set)",))
    assert not is_nobody("nullify", ("null",))
