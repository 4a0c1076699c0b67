"""HTML pages that need nothing else: one look for every report that opens in a browser."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
img { width: 100%; height: auto; border: 1px solid #ddd; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th { text-align: left; border-bottom: 2px solid #999; padding: .35rem .6rem; }
td { border-bottom: 1px solid #e4e4e4; padding: .35rem .6rem; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.promoted { color: #0072B2; font-weight: 600; } .refused { color: #B22222; }
.stopped { background: #faeeee; } .quiet { color: #777; }
ul { margin: 0; padding-left: 1.1rem; }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page; the parts are HTML already."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def embedded(picture: Path, alternative: str) -> str:
    """A PNG inside the page, with what it shows in words."""
    content = base64.b64encode(picture.read_bytes()).decode()
    return f'<p><img alt="{escape(alternative)}" src="data:image/png;base64,{content}"></p>'


def bullets(lines: Iterable[str]) -> str:
    """A list of plain texts.

    Examples
    --------
    >>> bullets(["a < b"])
    '<ul><li>a &lt; b</li></ul>'
    """
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Iterable[int]) -> str:
    """A table of cells that are HTML already.

    Parameters
    ----------
    heads : sequence of str
        Plain texts.
    rows : sequence of sequences of str
        A row with a cell ``stopped`` is shaded.
    numbers : iterable of int
        Columns that are set to the right.
    """
    right = set(numbers)
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(
        f'<tr class="{"stopped" if "stopped" in row else ""}">'
        + "".join(
            f'<td class="{"number" if n in right else ""}">{cell}</td>'
            for n, cell in enumerate(row)
        )
        + "</tr>\n"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>"
