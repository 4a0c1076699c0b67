"""The frame of every page of the console: navigation, search, style, and what the page is of."""

from __future__ import annotations

import html
from dataclasses import dataclass
from urllib.parse import quote

from pipelines.base.current import Publication
from pipelines.show.document import Document, Heading, Marked, printable
from pipelines.show.html import to_fragment

#: Paths of the console and their names, in the order of its navigation.
ROOMS = {
    "/console": "Tonight",
    "/console/people": "People",
    "/console/items": "Items",
    "/console/lists": "Lists",
    "/console/data": "Data",
    "/console/reports": "Reports",
}
#: Nothing but its own style may be loaded, and no script runs: titles are untrusted text.
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2025; --quiet: #5a616b; --line: #d9dde2;
  --link: #0a58a8; --good: #0a58a8; --bad: #a81e1e; --bar: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e8eaed; --quiet: #a3abb5;
  --line: #363b43; --link: #8cc0f5; --good: #8cc0f5; --bad: #ff9d94; --bar: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 0 1rem 2rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
a { color: var(--link); } a:focus-visible, input:focus-visible, button:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: .8rem 0;
  border-bottom: 1px solid var(--line); }
nav a { padding: .25rem 0; } nav a[aria-current] { color: var(--ink); font-weight: 600; }
h1 { font-size: 1.5rem; margin: 1.2rem 0 .4rem; } h2 { font-size: 1.15rem; margin: 1.8rem 0 .4rem; }
form { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; align-items: end; }
label { display: block; } input, button { font: inherit; color: inherit; padding: .4rem .6rem;
  border: 1px solid var(--quiet); border-radius: 4px; background: var(--paper); max-width: 100%; }
button { cursor: pointer; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; border-bottom: 2px solid var(--quiet); padding: .35rem .6rem .35rem 0; }
td { border-bottom: 1px solid var(--line); padding: .35rem .6rem .35rem 0; vertical-align: top;
  overflow-wrap: normal; }
th { overflow-wrap: normal; } th.number { text-align: right; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bars th { font-weight: normal; border-bottom: 1px solid var(--line); width: 30%; }
.bars svg { display: block; width: 100%; min-width: 3rem; height: .8rem; margin-top: .3rem;
  fill: var(--bar); stroke: var(--ink); }
.strong { font-weight: 600; } .good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; } .quiet, footer { color: var(--quiet); }
pre { overflow-x: auto; padding: .6rem; border: 1px solid var(--line); border-radius: 4px; }
ul { padding-left: 1.2rem; } footer { margin-top: 2.5rem; border-top: 1px solid var(--line);
  padding-top: .6rem; font-size: .88rem; }
@media print { nav, form, .skip { display: none; } body { max-width: none; } }
"""


@dataclass(frozen=True)
class Search:
    """A field to search by: where it leads, its name, its label, and what was asked."""

    path: str
    name: str
    label: str
    asked: str = ""


@dataclass(frozen=True)
class Page:
    """What a page shows below the navigation; the document begins with its title."""

    document: Document
    search: Search | None = None


def link(text: str, path: str, **query: str) -> Marked:
    """A link to a page of the console.

    Examples
    --------
    >>> link("MUG", "/console/items", item="a&b").href
    '/console/items?item=a%26b'
    """
    asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return Marked(text, href=f"{path}?{asked}" if asked else path)


def render(page: Page, path: str, publication: Publication | None, *, rooms: set[str]) -> str:
    """A page as HTML, within the frame.

    Parameters
    ----------
    page : Page
    path : str
        Of the page; its room is marked in the navigation.
    publication : Publication, optional
        What is live, if anything.
    rooms : set of str
        Paths that the navigation shows.
    """
    title = next(block.text for block in page.document if isinstance(block, Heading))
    current = max((room for room in ROOMS if path.startswith(room)), key=len)
    entries = "".join(
        f'<a href="{room}"{" aria-current=page" if room == current else ""}>{name}</a>'
        for room, name in ROOMS.items()
        if room in rooms
    )
    source = (
        "Nothing is live."
        if publication is None
        else (
            f"Publication {publication.publication_id}, as of {publication.as_of}: "
            "lists know nothing later."
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(printable(title))} · recsys</title>"
        '<link rel="stylesheet" href="/console/style.css"></head><body>\n'
        '<a class="skip" href="#main">To the page</a>'
        f'<nav aria-label="Pages">{entries}</nav>\n<main id="main">\n'
        f"{_form(page.search)}{to_fragment(page.document)}\n</main>\n"
        f"<footer>{html.escape(source)}</footer>\n</body></html>\n"
    )


def _form(search: Search | None) -> str:
    if search is None:
        return ""
    return (
        f'<form action="{search.path}" role="search"><label>{html.escape(search.label)}<br>'
        f'<input name="{search.name}" value="{html.escape(printable(search.asked))}"></label>'
        "<button>Show</button></form>\n"
    )
