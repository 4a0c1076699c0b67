from __future__ import annotations

from datetime import date

import pytest

from pipelines.base.errors import SettingsError
from pipelines.base.windows import NightWindows, parse_day


def test_windows_end_at_as_of_and_do_not_overlap():
    night = NightWindows(date(2011, 12, 9), horizon_days=14)
    assert (night.selection.start, night.selection.end) == (date(2011, 11, 11), date(2011, 11, 25))
    assert (night.gate.start, night.gate.end) == (date(2011, 11, 25), date(2011, 12, 9))


def test_a_window_is_fitted_at_its_first_day():
    night = NightWindows(date(2011, 12, 9), horizon_days=7)
    assert [window.cutoff for window in night.windows] == [date(2011, 11, 25), date(2011, 12, 2)]
    assert night.cutoffs[-1] == night.as_of


def test_parse_day_refuses_other_spellings():
    with pytest.raises(SettingsError, match="must be written YYYY-MM-DD. Got '9/12/2011'"):
        parse_day("9/12/2011")
