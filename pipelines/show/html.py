"""Write a document as one self-contained HTML page."""

from __future__ import annotations

import base64
import html

from pipelines.show.document import (
    Bar,
    Bars,
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
th.number { text-align: right; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.strong { font-weight: 600; } .good { color: #0072B2; font-weight: 600; }
.bad { color: #B22222; font-weight: 600; } .quiet { color: #777; }
ul { margin: 0; padding-left: 1.1rem; }
.scroll { overflow-x: auto; }
.bars th { text-align: left; font-weight: normal; border: 0; width: 1%; white-space: nowrap; }
.bars svg { display: block; width: 100%; height: 1rem; fill: #0072B2; stroke: #222; }
"""


def to_page(document: Document) -> str:
    """A document as a self-contained HTML page; texts are escaped, pictures embedded."""
    title = next(block.text for block in document if isinstance(block, Heading))
    head = f'<meta charset="utf-8"><title>{_inline(title)}</title><style>{STYLE}</style>'
    body = to_fragment(document)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def to_fragment(document: Document) -> str:
    """A document as the inside of a page; texts are escaped, pictures embedded."""
    return "\n".join(map(_block, document))


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
        case Bars() | Table() | SideBySide():
            return _grid(block)


def _grid(block: Bars | Table | SideBySide) -> str:
    if isinstance(block, Bars):
        return _bars(block)
    return _table(block if isinstance(block, Table) else block.as_table())


def _table(table: Table) -> str:
    forms = [' class="number"' if column.is_right else "" for column in table.columns]
    names = [_inline(column.name) for column in table.columns]
    cells = "".join(f"<th{form}>{name}</th>" for form, name in zip(forms, names, strict=True))
    head = f"<thead><tr>{cells}</tr></thead>" if any(names) else ""
    body = "".join(
        "<tr>"
        + "".join(f"<td{f}>{_inline(cell)}</td>" for f, cell in zip(forms, row, strict=True))
        + "</tr>\n"
        for row in table.rows
    )
    title = f"<p>{_inline(table.title)}</p>\n" if table.title else ""
    notes = "".join(f'\n<p class="quiet">{_inline(note)}</p>' for note in table.notes)
    grid = f"<table>{head}<tbody>\n{body}</tbody></table>"
    return f'{title}<div class="scroll">{grid}</div>{notes}'


def _bars(bars: Bars) -> str:
    """A table of names, drawings and figures; the drawing says nothing that the figure does not."""
    rows = "".join(
        f'<tr><th scope="row">{_inline(bar.name)}</th><td>{_drawing(bar, bars.span)}</td>'
        f'<td class="number">{_inline(bar.text)}</td></tr>\n'
        for bar in bars.bars
    )
    title = f"<p>{_inline(bars.title)}</p>\n" if bars.title else ""
    return f'{title}<table class="bars"><tbody>\n{rows}</tbody></table>'


def _drawing(bar: Bar, span: tuple[float, float]) -> str:
    low, high = span

    def at(value: float) -> float:
        return 100 * (value - low) / (high - low)

    left, right = sorted((at(0.0), at(bar.value)))
    shapes = f'<rect x="{left:.2f}" y="2" width="{right - left:.2f}" height="6" stroke="none"/>'
    if bar.low is not None and bar.high is not None:
        ends = f'x1="{at(bar.low):.2f}" x2="{at(bar.high):.2f}" y1="5" y2="5"'
        shapes += f'<line {ends} stroke-width="1.5" vector-effect="non-scaling-stroke"/>'
    frame = 'viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"'
    return f"<svg {frame}>{shapes}</svg>"


def _inline(words: Words) -> str:
    written = ""
    for span in spans(words):
        text = html.escape(span.text).replace("\n", "<br>")
        if span.href:
            text = f'<a href="{html.escape(span.href)}">{text}</a>'
        written += text if span.mood == "plain" else f'<span class="{span.mood}">{text}</span>'
    return written
