from __future__ import annotations

import pytest

from pipelines.base.errors import HomeBusyError
from pipelines.base.night_lock import own_home, shared_home


def test_verbs_of_nights_work_beside_each_other(make_settings):
    with shared_home(make_settings()), shared_home(make_settings()):
        pass


def test_an_erasure_waits_for_no_night_and_keeps_new_ones_out(make_settings):
    with shared_home(make_settings()), pytest.raises(HomeBusyError, match="a night is running"):
        own_home(make_settings()).__enter__()
    with own_home(make_settings()), pytest.raises(HomeBusyError, match="a user is being erased"):
        shared_home(make_settings()).__enter__()
    with shared_home(make_settings()):
        pass
