"""Tables and figures of the report, for a terminal of 100 columns or a plain log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Columns of the report; a log has no width of its own.
WIDTH = 100
_BAR_WIDTH = 14


def make_console() -> Console:
    """Standard output, `WIDTH` columns or the terminal's if it is narrower."""
    from rich.console import Console

    console = Console(highlight=False)
    width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return Console(highlight=False, width=width)


def make_table(columns: Iterable[tuple[str, str]]) -> Table:
    """A table without a frame.

    Parameters
    ----------
    columns : iterable of (str, str)
        Name and form: ``left`` and ``right`` stay on one line, ``wrap`` takes what room is left.
    """
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for name, form in columns:
        table.add_column(
            name,
            justify="right" if form == "right" else "left",
            overflow="fold" if form == "wrap" else "ellipsis",
            no_wrap=form != "wrap",
        )
    return table


def interval_bar(low: float | None, value: float, high: float | None, top: float) -> str:
    """A figure and its interval on a line from 0 to `top`.

    Examples
    --------
    >>> interval_bar(0.1, 0.2, 0.3, top=0.4).rstrip()
    '   ├───●──┤'
    """
    if top <= 0:
        return " " * _BAR_WIDTH

    def place(figure: float) -> int:
        return min(_BAR_WIDTH - 1, max(0, int(figure / top * (_BAR_WIDTH - 1) + 0.5)))

    line = [" "] * _BAR_WIDTH
    if low is not None and high is not None:
        start, end = place(low), place(high)
        line[start : end + 1] = ["─"] * (end - start + 1)
        line[start], line[end] = "├", "┤"
    line[place(value)] = "●"
    return "".join(line)


def format_interval(value: float | None, low: float | None, high: float | None) -> str:
    """A figure with its interval in brackets, four digits.

    Examples
    --------
    >>> format_interval(0.21, 0.2, 0.22)
    '.2100 [.2000, .2200]'
    >>> format_interval(0.5, None, None)
    '.5000'
    """
    if value is None:
        return ""
    text = format_figure(value)
    return (
        text
        if low is None or high is None
        else f"{text} [{format_figure(low)}, {format_figure(high)}]"
    )


def format_figure(value: float) -> str:
    """A figure with four digits.

    Examples
    --------
    >>> format_figure(-0.02), format_figure(716)
    ('-.0200', '716')
    """
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4g}"


def format_count(count: int | None) -> str:
    """A count with thousands set apart; nothing for None.

    Examples
    --------
    >>> format_count(7859), format_count(None)
    ('7,859', '')
    """
    return "" if count is None else f"{count:,}"


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
