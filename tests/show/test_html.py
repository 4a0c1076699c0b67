from __future__ import annotations

import base64

from pipelines.show.document import (
    Bar,
    Bars,
    Heading,
    Marked,
    Paragraph,
    Picture,
    Table,
    left,
    right,
)
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
    assert page.count('class="number"') == 3
    assert '<span class="bad">stopped</span>' in page and "–<br>2" in page
    assert '<p class="quiet">n</p>' in page


def test_bars_are_drawn_to_one_scale_from_zero():
    bars = [Bar("a", "2", 2.0, 1.0, 4.0), Bar("b", "−1", -1.0)]
    page = to_page([Heading("a", 1), Bars(bars)])
    assert '<rect x="20.00" y="2" width="40.00"' in page and '<line x1="40.00" x2="100.00"' in page
    assert '<rect x="0.00" y="2" width="20.00"' in page
    assert Bars([Bar("a", "0", 0.0)]).span == (0.0, 1.0)


def test_a_link_is_a_link_and_its_address_is_escaped():
    page = to_page([Heading("a", 1), Paragraph(Marked("<mug>", href='/console?a="b"&c'))])
    assert '<a href="/console?a=&quot;b&quot;&amp;c">&lt;mug&gt;</a>' in page
