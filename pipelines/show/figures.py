"""Format figures, everywhere the same: `.1252`, `−.0200`, `46%`, `7,859`, `–` for none."""

from __future__ import annotations

import codecs
import io
import re
import sys

#: Stands for a figure that is not known.
MISSING = "–"
#: Minus sign; as wide as a plus, so that signs line up in a column.
MINUS = "\N{MINUS SIGN}"
#: No-break space, where a line must not end; every output format writes it as a space.
TIE = "\N{NO-BREAK SPACE}"
#: Replacements for an output that has only ASCII.
_SPELT = {MINUS: "-", MISSING: "-", "≥": ">=", "≤": "<=", "─": "-", "…": "...", "±": "+-"}
#: A share this close to 0 or 1 is written with a decimal: 0.3% is not 0%.
_NEAR = 0.01
_UNIT = 1024
_SMALL_P = 0.001


def spell_signs() -> None:
    """Let standard output replace signs that it cannot encode, so that none fails a night.

    A minus that became ``?`` would be a wrong figure.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        codecs.register_error("spell", _spell)
        sys.stdout.reconfigure(errors="spell")


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_SPELT.get(sign, "?") for sign in signs), error.end


def format_figure(value: float | None, *, signed: bool = False, digits: int = 4) -> str:
    """Format a metric or a difference: four decimals, four digits from 1 on, or a whole number.

    Examples
    --------
    >>> format_figure(0.1252), format_figure(-0.02), format_figure(0.02, signed=True)
    ('.1252', '−.0200', '+.0200')
    >>> format_figure(12345.0), format_figure(33.4187), format_figure(None)
    ('12,345', '33.42', '–')
    """
    if value is None or value != value:  # noqa: PLR0124 - NaN is not equal to itself
        return MISSING
    sign = "+" if signed else ""
    if abs(value) < 1:
        value = round(value, digits) + 0.0  # no minus in front of a rounded zero
        return _typeset(f"{value:{sign}.{digits}f}")
    whole = len(str(int(abs(value))))
    decimals = 0 if value == int(value) else max(digits - whole, 0)
    return _typeset(f"{value:{sign},.{decimals}f}")


def format_bounds(low: float | None, high: float | None, *, signed: bool = False) -> str:
    """Format an interval in brackets; empty if it is not known.

    Examples
    --------
    >>> format_bounds(0.2, 0.22), format_bounds(None, None)
    ('[.2000, .2200]', '')
    """
    bounds = [format_figure(bound, signed=signed) for bound in (low, high)]
    return "" if MISSING in bounds else f"[{', '.join(bounds)}]"


def format_interval(
    value: float | None, low: float | None, high: float | None, *, signed: bool = False
) -> str:
    """Format a figure with its interval in brackets.

    Examples
    --------
    >>> format_interval(0.21, 0.2, 0.22), format_interval(0.5, None, None)
    ('.2100 [.2000, .2200]', '.5000')
    >>> format_interval(0.21, -0.2, 0.22, signed=True)
    '+.2100 [−.2000, +.2200]'
    """
    bounds = format_bounds(low, high, signed=signed)
    return f"{format_figure(value, signed=signed)} {bounds}".rstrip()


def format_share(share: float | None, decimals: int = 0) -> str:
    """Format a share in whole percent, with a decimal where it would round to 0% or 100%.

    Examples
    --------
    >>> format_share(0.25), format_share(0.003), format_share(0.994), format_share(1.0)
    ('25%', '0.3%', '99.4%', '100%')
    >>> format_share(0.0327, decimals=2)
    '3.27%'
    """
    if share is None:
        return MISSING
    near = 0 < share < _NEAR or 1 - _NEAR < share < 1
    return _typeset(f"{share:.{max(decimals, int(near))}%}")


def format_level(level: float) -> str:
    """Format the level of an interval, or a chance, with as many digits as tell it from others.

    Examples
    --------
    >>> format_level(0.95), format_level(1 - 2 * 0.05 / 365), format_level(0.05 / 365)
    ('95%', '99.97%', '0.0137%')
    """
    return f"{100 * level:.4g}%" if level >= _NEAR else f"{100 * level:.3g}%"


def format_change(change: float | None) -> str:
    """Format a relative change in percent, signed.

    Examples
    --------
    >>> format_change(0.1), format_change(-0.025)
    ('+10.0%', '−2.5%')
    """
    return MISSING if change is None else _typeset(f"{change:+.1%}")


def format_threshold(value: float | None) -> str:
    """Format a threshold with no more digits than it was set with; empty if there is none.

    Examples
    --------
    >>> format_threshold(-0.02), format_threshold(500.0)
    ('−.02', '500')
    """
    return "" if value is None else _typeset(f"{value:g}")


def format_count(count: int | None) -> str:
    """Format a count with thousands separators.

    Examples
    --------
    >>> format_count(7859), format_count(None)
    ('7,859', '–')
    """
    return MISSING if count is None else f"{count:,}"


def format_seconds(seconds: float) -> str:
    """Format seconds with one decimal, without the unit.

    Examples
    --------
    >>> format_seconds(1234.56)
    '1,234.6'
    """
    return f"{seconds:,.1f}"


def format_bytes(count: int) -> str:
    """Format a size in bytes in the largest unit that it reaches.

    Examples
    --------
    >>> format_bytes(1536), format_bytes(3 * 1024**3)
    ('1.5 KiB', '3.0 GiB')
    """
    size, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= _UNIT and len(units) > 1:
        size /= _UNIT
        units.pop(0)
    return f"{size:,.1f} {units[0]}"


def format_p_value(p_value: float) -> str:
    """Format a p value with three decimals, as an equation or an inequality.

    Examples
    --------
    >>> format_p_value(0.012), format_p_value(0.00001)
    ('p = .012', 'p < .001')
    """
    return "p < .001" if p_value < _SMALL_P else "p = " + _typeset(f"{p_value:.3f}")


def _typeset(number: str) -> str:
    return re.sub(r"^([+-]?)0\.(?=\d+$)", r"\1.", number).replace("-", MINUS)
