import base64

from pipelines.web_page import embedded, page, table


def test_a_page_is_whole_and_its_title_is_text():
    found = page("a < b", ["<p>one</p>", "<p>two</p>"])
    assert found.startswith("<!doctype html>") and found.endswith("</html>\n")
    assert "<title>a &lt; b</title>" in found and "<p>one</p>\n<p>two</p>" in found


def test_a_picture_is_inside_the_page(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"picture")
    found = embedded(path, 'says "yes"')
    assert base64.b64encode(b"picture").decode() in found
    assert "says &quot;yes&quot;" in found


def test_numbers_go_right_and_stopped_rows_are_shaded():
    found = table(["what", "how many"], [["a", "1"], ["stopped", "–"]], numbers=[1])
    assert found.count('class="number"') == 2
    assert found.count('class="stopped"') == 1
