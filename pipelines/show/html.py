"""Write a document as one self-contained HTML page."""

from __future__ import annotations

import base64
import html

from pipelines.show.document import (
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Paragraph,
    Picture,
    SideBySide,
    Table,
    Words,
    spans,
)

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
img { width: 100%; height: auto; border: 1px solid #ddd; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th { text-align: left; border-bottom: 2px solid #999; padding: .35rem .6rem; }
td { border-bottom: 1px solid #e4e4e4; padding: .35rem .6rem; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.strong { font-weight: 600; } .good { color: #0072B2; font-weight: 600; }
.bad { color: #B22222; font-weight: 600; } .quiet { color: #777; }
ul { margin: 0; padding-left: 1.1rem; }
"""


def to_page(document: Document) -> str:
    """A document as a self-contained HTML page; texts are escaped, pictures embedded."""
    title = next(block.text for block in document if isinstance(block, Heading))
    head = f'<meta charset="utf-8"><title>{_inline(title)}</title><style>{STYLE}</style>'
    body = "\n".join(map(_block, document))
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Paragraph(words):
            return f"<p>{_inline(words)}</p>"
        case Bullets(items):
            lines = "".join(f"<li>{_inline(item)}</li>" for item in items)
            return f"<ul>{lines}</ul>" if lines else ""
        case Code(text):
            return f"<pre>{_inline(text)}</pre>"
        case Picture(path, alternative):
            content = base64.b64encode(path.read_bytes()).decode()
            source = f"data:image/png;base64,{content}"
            return f'<p><img alt="{_inline(alternative)}" src="{source}"></p>'
        case Table() | SideBySide():
            return _table(block if isinstance(block, Table) else block.as_table())


def _table(table: Table) -> str:
    head = "".join(f"<th>{_inline(column.name)}</th>" for column in table.columns)
    forms = [' class="number"' if column.is_right else "" for column in table.columns]
    body = "".join(
        "<tr>"
        + "".join(f"<td{f}>{_inline(cell)}</td>" for f, cell in zip(forms, row, strict=True))
        + "</tr>\n"
        for row in table.rows
    )
    title = f"<p>{_inline(table.title)}</p>\n" if table.title else ""
    notes = "".join(f'\n<p class="quiet">{_inline(note)}</p>' for note in table.notes)
    return f"{title}<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>{notes}"


def _inline(words: Words) -> str:
    written = ""
    for span in spans(words):
        text = html.escape(span.text).replace("\n", "<br>")
        written += text if span.mood == "plain" else f'<span class="{span.mood}">{text}</span>'
    return written
