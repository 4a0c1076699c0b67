from __future__ import annotations

import io
import sys

import pytest

from pipelines.show.figures import (
    MINUS,
    MISSING,
    format_bytes,
    format_change,
    format_figure,
    format_interval,
    format_p_value,
    format_share,
    format_threshold,
    spell_signs,
)


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((None, None, None), MISSING),
        ((float("nan"), None, None), MISSING),
        ((-0.02, -0.03, -0.01), f"{MINUS}.0200 [{MINUS}.0300, {MINUS}.0100]"),
        ((716.0, None, None), "716"),
        ((123456.0, None, None), "123,456"),
        ((33.4187, None, None), "33.42"),
        ((1.16, None, None), "1.160"),
        ((12345.6, None, None), "12,346"),
        ((1.0, 0.995, 1.0), "1 [.9950, 1]"),
        ((0.5, None, 0.6), ".5000"),
    ],
)
def test_figures_are_short_and_signed(interval, text):
    assert format_interval(*interval) == text


def test_what_rounds_to_nothing_has_no_minus():
    assert format_figure(-0.00001) == ".0000"
    assert format_figure(-0.00001, signed=True) == "+.0000"


def test_more_digits_are_for_who_compares_with_another_program():
    assert format_figure(0.1234567, digits=6) == ".123457"


@pytest.mark.parametrize(
    ("threshold", "text"), [(10.5, "10.5"), (0.0, "0"), (-0.05, f"{MINUS}.05"), (None, "")]
)
def test_a_threshold_is_as_short_as_it_was_set(threshold, text):
    assert format_threshold(threshold) == text


def test_a_share_is_never_rounded_to_none_or_all():
    assert [format_share(share) for share in (0.006, 0.643, 0.994, None)] == [
        *("0.6%", "64%", "99.4%"),
        MISSING,
    ]


def test_changes_sizes_and_p_values():
    assert format_change(None) == MISSING
    assert format_bytes(0) == "0.0 B"
    assert format_bytes(2 * 1024**5) == "2,048.0 TiB"
    assert format_p_value(1.0) == "p = 1.000"


def test_a_log_that_has_only_ascii_keeps_the_signs_of_figures(monkeypatch):
    log = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", log)
    spell_signs()
    print(f"{MINUS}.0200 ≥ {MINUS}.05 {MISSING} CAFÉ")
    log.flush()
    assert log.buffer.getvalue() == b"-.0200 >= -.05 - CAF?\n"
