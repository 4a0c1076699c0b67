from __future__ import annotations

import base64

from pipelines.show.document import Heading, Marked, Paragraph, Picture, Table, left, right
from pipelines.show.html import to_page


def test_a_page_is_whole_and_its_title_is_text():
    page = to_page([Heading("a < b", 1), Paragraph("one"), Paragraph("two")])
    assert page.startswith("<!doctype html>") and page.endswith("</html>\n")
    assert "<title>a &lt; b</title>" in page and "<p>one</p>\n<p>two</p>" in page


def test_a_picture_is_inside_the_page(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"picture")
    page = to_page([Heading("a", 1), Picture(path, 'says "yes"')])
    assert base64.b64encode(b"picture").decode() in page
    assert "says &quot;yes&quot;" in page


def test_numbers_go_right_and_moods_have_a_class():
    rows = [["a", "1"], [Marked("stopped", "bad"), "–\n2"]]
    page = to_page([Heading("a", 1), Table([left("what"), right("how many")], rows, notes=["n"])])
    assert page.count('class="number"') == 2
    assert '<span class="bad">stopped</span>' in page and "–<br>2" in page
    assert '<p class="quiet">n</p>' in page
