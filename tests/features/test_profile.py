from __future__ import annotations

import shutil

import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import DataCheckError, MissingSnapshotError
from pipelines.features.profile import check_features, read_profile
from tests.features.conftest import FIRST_NIGHT

pytestmark = pytest.mark.xdist_group("features")


def test_profile_has_one_row_a_cutoff_with_counts_and_shares(shop):
    profile = read_profile(shop.settings, FIRST_NIGHT).set_index("cutoff_date")
    assert profile["user_count"].tolist() == [2, 2, 3]
    assert profile["kept_user_ratio"].tolist()[1:] == [1.0, 1.5]
    assert profile["item_count"].tolist() == [3, 3, 4]
    assert profile.loc["2024-02-05", "untitled_share"] == 1 / 4
    assert profile.loc["2024-02-05", "days_since_newest_event"] == 1


def test_good_features_pass_with_warnings_and_pages(shop):
    report = check_features(shop.settings, FIRST_NIGHT)
    warned = {result.check.arguments["column"] for result in report.warnings}
    assert report.is_passed and warned == {"untitled_share", "unpriced_share"}
    page = shop.settings.run_folder(FIRST_NIGHT).feature_checks_page
    assert report.page == page and "untitled_share" in page.read_text()


def test_a_cutoff_without_known_history_is_refused_with_the_reason(shop, make_settings):
    settings = make_settings(evaluation={"horizon_days": 7})
    folder = settings.run_folder(FIRST_NIGHT).snapshot
    shutil.copytree(shop.settings.run_folder(FIRST_NIGHT).snapshot, folder)
    path = folder / "users-2024-01-22.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(DataCheckError, match="day files must land on the day of their events"):
        check_features(settings, FIRST_NIGHT)


def test_features_are_not_checked_before_the_snapshot(make_settings):
    with pytest.raises(MissingSnapshotError, match="recsys features"):
        check_features(make_settings(), FIRST_NIGHT)
