from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipelines.show.document import (
    Bullets,
    Heading,
    Marked,
    Paragraph,
    SideBySide,
    Table,
    left,
    mark,
    right,
    wrap,
)
from pipelines.show.figures import TIE
from pipelines.show.terminal import WIDTH, fill, make_console, print_document
from tests.conftest import terminal_text

LONG = "ANTIQUE TALL SWIRLGLASS TRINKET POT WITH LID"


def test_a_log_is_as_wide_as_a_report(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    console = make_console()
    assert console.width == WIDTH and not console.is_terminal


def test_a_log_is_narrower_where_columns_are_asked_for_and_never_wider(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert make_console().width == 80
    monkeypatch.setenv("COLUMNS", "250")
    assert make_console().width == WIDTH


def test_figures_that_are_tied_together_stay_on_one_line():
    assert fill(f"kept: ease{TIE}.1{TIE}[0,{TIE}1]", 12) == "kept:\nease .1 [0, 1]"


def test_blocks_stand_apart_and_prose_stands_together():
    table = Table([left("a")], [["x"]], title="above", notes=["below"])
    document = [Heading("H"), Paragraph("one"), Bullets(["two"]), Paragraph("three")]
    document += [Paragraph("four"), table]
    assert terminal_text(document).splitlines() == [
        *("H", "one", "two", "", "three", "four", "", "above", "a", "─", "x", "below"),
    ]


def test_only_a_wrapping_column_gives_way():
    row = ["name_of_twenty_chars", "1,234,567", "one two three four five six seven"]
    text = terminal_text([Table([left("id"), right("count"), wrap("words")], [row])], 45)
    assert "name_of_twenty_chars" in text and "1,234,567" in text and "seven" in text


def test_gaps_close_before_anything_wraps():
    table = Table([left("a"), left("b")], [["x" * 10, "y" * 10]])
    assert f"{'x' * 10}  {'y' * 10}" in terminal_text([table], 22)
    assert f"{'x' * 10} {'y' * 10}" in terminal_text([table], 21)


def test_without_room_every_cell_wraps_and_none_is_cut():
    text = terminal_text([Table([left("a"), right("b")], [["x" * 10, "y" * 10]])], 12)
    assert text.count("x") == text.count("y") == 10 and "…" not in text


def test_last_column_is_told_in_words_where_it_has_no_room():
    rows = [["x" * 10, "y" * 10]]
    table = Table([left("a"), left("b")], rows, title="t", last_in_words="b: yyy", notes=["n"])
    assert "yyyyyyyyyy" in terminal_text([table], 21)
    narrow = terminal_text([table], 20).splitlines()
    assert (narrow[0], narrow[-2:]) == ("t", ["b: yyy", "n"]) and "yyyy" not in "".join(narrow)


@pytest.mark.parametrize("width", [30, 80, 100])
def test_a_long_title_in_a_list_is_wrapped_and_never_cut(width):
    lists = SideBySide([(name, [("1", LONG)]) for name in ("history", "discover", "for_you")])
    text = terminal_text([lists], width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert all(text.count(word) == 3 for word in LONG.split())


def test_a_title_of_two_lines_moves_only_its_own_list():
    lists = [("did", [("1", LONG), ("2", "B")]), ("d", [("1", "C"), ("2", "D")])]
    assert terminal_text([SideBySide(lists)], 60).splitlines()[3].split()[-2:] == ["2", "D"]


def test_moods_are_colours_of_a_terminal_also_across_lines():
    stream = io.StringIO()
    document = [
        Paragraph(("so ", Marked("very quiet", "quiet"))),
        Table([left("a")], [mark(["x"], "good")]),
    ]
    print_document(document, Console(file=stream, width=8, force_terminal=True))
    assert "\x1b[2mquiet" in stream.getvalue() and "\x1b[1;32mx" in stream.getvalue()
