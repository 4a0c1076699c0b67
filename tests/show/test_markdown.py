from __future__ import annotations

from pathlib import Path

from pipelines.show.document import (
    Bullets,
    Code,
    Heading,
    Marked,
    Paragraph,
    Picture,
    Table,
    left,
    right,
)
from pipelines.show.figures import TIE
from pipelines.show.markdown import escape, to_markdown


def test_a_document_is_blocks_with_empty_lines_between():
    document = [
        Heading("Night", 1),
        Paragraph((Marked("NO", "bad"), f" a{TIE}b")),
        Bullets(["one", "two"]),
        Picture(Path("folder/a.png"), "shown"),
        Code("recsys report"),
    ]
    assert to_markdown(document) == (
        "# Night\n\n**NO** a b\n\n* one\n* two\n\n![shown](a.png)\n\n```sh\nrecsys report\n```\n"
    )


def test_a_bar_or_a_line_break_in_a_cell_does_not_end_it():
    table = Table([left("a\nb"), right("n")], [["x|y\nz", ""]], title="above", notes=["below"])
    lines = ["above", "", "| a b | n |", "| --- | --: |", r"| x\|y z |  |", "", "below", ""]
    assert to_markdown([table]) == "\n".join(lines)


def test_words_that_would_be_markup_are_escaped_and_names_are_not():
    assert escape("_x_ a_b `c` ~~d~~ &amp; &") == r"\_x\_ a_b \`c\` \~\~d\~\~ \&amp; &"
