"""Tables and figures of the report, for a terminal of 80 or 100 columns or a plain log."""

from __future__ import annotations

import codecs
import io
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

#: Columns of the report at most; a log has no width of its own.
WIDTH = 100
#: Wider than a hyphen, so that signs of both kinds stand under each other.
MINUS = "\N{MINUS SIGN}"
#: Holds together what `fill` must not break; printed as a space.
TIE = "\N{NO-BREAK SPACE}"
#: Signs for an output that has only ASCII.
_SPELT = {MINUS: "-", "≥": ">=", "≤": "<=", "─": "-"}
#: A share below this is told with a decimal: 0.3% is not 0%.
_SMALL_SHARE = 0.01


def make_console() -> Console:
    """Standard output, `WIDTH` columns or what the terminal (or COLUMNS) has if that is less.

    No night fails for a sign that the output cannot encode: it is spelt, or printed as ``?``.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        codecs.register_error("spell", _spell)
        sys.stdout.reconfigure(errors="spell")
    console = Console(highlight=False)
    own = console.width if console.is_terminal else shutil.get_terminal_size((WIDTH, 0)).columns
    return Console(highlight=False, width=min(own, WIDTH))


def _spell(error: UnicodeError) -> tuple[str, int]:
    """Error handler of an encoding: a minus that became ``?`` would be a wrong figure."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_SPELT.get(sign, "?") for sign in signs), error.end


class ReportTable(Table):
    """A table without a frame that gives way before it cuts: gaps first, then cells wrap."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table as wide as there is room for."""
        if self.natural_width(console) > options.max_width:
            self.padding = 0
        if self._least_width(console) > options.max_width:
            for column in self.columns:
                column.no_wrap = False
        yield from super().__rich_console__(console, options)

    def natural_width(self, console: Console) -> int:
        """Columns that the table needs to stay unwrapped."""
        return console.measure(self, options=console.options.update_width(10 * WIDTH)).maximum

    def _least_width(self, console: Console) -> int:
        """Columns that it needs at the closest, with only its wrapping cells wrapped."""
        widths = [
            max(
                console.measure(cell).maximum if column.no_wrap else console.measure(cell).minimum
                for cell in (column.header, *column.cells)
            )
            for column in self.columns
        ]
        return sum(widths) + len(widths) - 1


def make_table(columns: Iterable[tuple[str, str]]) -> ReportTable:
    """A table without rows.

    Parameters
    ----------
    columns : iterable of (str, str)
        Name and form: ``left`` and ``right`` stay on one line while there is room for it,
        ``wrap`` takes what room is left.
    """
    table = ReportTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name, form in columns:
        table.add_column(
            name,
            justify="right" if form == "right" else "left",
            overflow="fold",
            no_wrap=form != "wrap",
            vertical="top",
        )
    return table


def fill(text: str, width: int, indent: str = "") -> str:
    """Text in lines of at most `width` columns that never break at a `TIE`.

    Parameters
    ----------
    text : str
    width : int
    indent : str, default ""
        What every line but the first begins with.

    Examples
    --------
    >>> print(fill(f"lost: ease{TIE}.1 [.0, .2]", width=20, indent="  "))
    lost: ease .1 [.0,
      .2]
    """
    lines = textwrap.fill(
        text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return lines.replace(TIE, " ")


def format_interval(
    value: float | None, low: float | None, high: float | None, *, signed: bool = False
) -> str:
    """A figure with its interval in brackets, four digits.

    Examples
    --------
    >>> format_interval(0.21, 0.2, 0.22)
    '.2100 [.2000, .2200]'
    >>> format_interval(0.21, -0.2, 0.22, signed=True)
    '+.2100 [−.2000, +.2200]'
    >>> format_interval(0.5, None, None)
    '.5000'
    """
    if value is None:
        return ""
    bounds = format_bounds(low, high, signed=signed)
    return f"{format_figure(value, signed=signed)} {bounds}".rstrip()


def format_bounds(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """An interval in brackets; nothing where it is not known.

    Examples
    --------
    >>> format_bounds(0.2, 0.22), format_bounds(None, None)
    ('[.2000, .2200]', '')
    """
    if low is None or high is None:
        return ""
    return f"[{format_figure(low, signed=signed)}, {format_figure(high, signed=signed)}]"


def format_figure(value: float, *, signed: bool = False) -> str:
    """A figure with four digits, or a whole number.

    Examples
    --------
    >>> format_figure(-0.02), format_figure(0.02, signed=True), format_figure(12345.0)
    ('−.0200', '+.0200', '12,345')
    """
    sign = "+" if signed else ""
    if abs(value) < 1:
        return _typeset(f"{value:{sign}.4f}")
    return _typeset(f"{value:{sign},.0f}" if value == int(value) else f"{value:{sign}.4g}")


def format_threshold(value: float) -> str:
    """A threshold as short as it was set.

    Examples
    --------
    >>> format_threshold(-0.02), format_threshold(500.0)
    ('−.02', '500')
    """
    return _typeset(f"{value:g}")


def _typeset(number: str) -> str:
    return re.sub(r"^([+-]?)0\.", r"\1.", number).replace("-", MINUS)


def format_count(count: int | None) -> str:
    """A count with thousands set apart; nothing for None.

    Examples
    --------
    >>> format_count(7859), format_count(None)
    ('7,859', '')
    """
    return "" if count is None else f"{count:,}"


def format_share(share: float) -> str:
    """A share in whole percent, with a decimal if it is below one percent.

    Examples
    --------
    >>> format_share(0.25), format_share(0.003), format_share(0.0)
    ('25%', '0.3%', '0%')
    """
    return f"{share:.1%}" if 0 < share < _SMALL_SHARE else f"{share:.0%}"


def format_shares(shares: Mapping[str, float]) -> str:
    """Shares in words, largest first.

    Examples
    --------
    >>> format_shares({"popularity": 0.25, "ease": 0.75})
    'ease 75.0%, popularity 25.0%'
    """
    ordered = sorted(shares.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{name} {share:.1%}" for name, share in ordered)


def format_audit(audit: Mapping[str, Any] | None) -> str:
    """The audit in a sentence.

    Examples
    --------
    >>> format_audit({"rule_count": 40, "compared_with": None, "overlap_at_10": {}})
    '40 audit rules hold; there is no earlier publication to compare with.'
    >>> format_audit({"rule_count": 40, "compared_with": "p1", "overlap_at_10": {"home": 0.5}})
    '40 audit rules hold; of the first ten items in p1, kept: home 50%.'
    """
    if audit is None:
        return "The audit is not recorded."
    rules = f"{audit['rule_count']} audit rules hold"
    if audit["compared_with"] is None:
        return f"{rules}; there is no earlier publication to compare with."
    kept = ", ".join(f"{name} {share:.0%}" for name, share in audit["overlap_at_10"].items())
    return f"{rules}; of the first ten items in {audit['compared_with']}, kept: {kept or '-'}."
