from __future__ import annotations

import html

import pytest

from pipelines.show.document import (
    Bar,
    Bars,
    Bullets,
    Code,
    Heading,
    Marked,
    Paragraph,
    Picture,
    SideBySide,
    Table,
    left,
    printable,
    right,
    spans,
    wrap,
)
from pipelines.show.html import to_page
from pipelines.show.markdown import to_markdown
from tests.conftest import terminal_text

HOSTILE = "[red]<b>*x*</b>\x1b[2J|\u202ey"


@pytest.fixture
def document(tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"picture")
    return [
        Heading("Title", 1),
        Heading("Part"),
        Paragraph(("Said: ", Marked("loud", "strong"))),
        Bullets(["first", "second"]),
        Table([left("name"), right("count"), wrap("")], [["ease", "7", HOSTILE]], notes=["note"]),
        Bars([Bar("ease_recent", ".25 [.20, .30]", 0.25, 0.2, 0.3)], "bars' title"),
        SideBySide([("a", [("1", "one"), ("2", "two")]), ("b", [("9", "nine")])]),
        Picture(picture, "what it shows"),
        Code("recsys report"),
    ]


def test_every_writer_writes_every_block(document):
    for written in (terminal_text(document), to_markdown(document), to_page(document)):
        for text in ("Title", "Part", "loud", "second", "ease", "note", "nine", "recsys report"):
            assert text in written
        assert ".25 [.20, .30]" in html.unescape(written)


def test_what_a_text_holds_is_text_for_every_writer(document):
    terminal, markdown, page = terminal_text(document), to_markdown(document), to_page(document)
    assert "[red]<b>*x*</b> [2J| y" in terminal
    assert r"[red]\<b>\*x\*\</b> [2J\| y" in markdown
    assert "[red]&lt;b&gt;*x*&lt;/b&gt; [2J| y" in page


def test_lists_side_by_side_are_columns_of_a_page():
    table = SideBySide([("a", [("1", "one"), ("2", "two")]), ("b", [("9", "nine")])]).as_table()
    assert [column.name for column in table.columns] == ["a", "b"]
    assert table.rows == [("1 one", "9 nine"), ("2 two", "")]


def test_words_are_pieces_of_one_mood():
    assert spans(("a\x07", Marked("b", "bad"))) == [Marked("a ", "plain"), Marked("b", "bad")]


def test_printable_text_keeps_its_lines():
    assert printable("one\ntwo\r\x9b") == "one\ntwo  "
