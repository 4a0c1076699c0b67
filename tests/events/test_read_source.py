from __future__ import annotations

import pytest

from pipelines.base.errors import LandingError
from pipelines.events.read_source import layout_errors, read_source, scratch_database


@pytest.fixture
def read(make_settings):
    """Read a source as `land` does."""
    settings = make_settings()

    def read_path(source, path=None, **options):
        with scratch_database(settings) as connection, layout_errors(source, path):
            rows = read_source(settings, connection, source, path, options)
            return connection.execute(rows.events, rows.events_parameters or None).fetchall()

    return read_path


def test_an_unknown_source_is_an_error(read):
    with pytest.raises(LandingError, match="must be one of online-retail, .*Got 'ebay'"):
        read("ebay")


def test_an_adapter_has_no_options_of_a_table(read):
    with pytest.raises(LandingError, match="'movielens' has none of its own; got event_type"):
        read("movielens", "x", event_type="view")


def test_a_value_that_an_adapter_cannot_read_is_refused_in_words(read, tmp_path):
    lines = (
        "timestamp,visitorid,event,itemid,transactionid\n1433221332117,u,view,i,\nsoon,u,view,i,\n"
    )
    (tmp_path / "events.csv").write_text(lines)
    with pytest.raises(
        LandingError, match="of the layout that its adapter reads.*recsys land table"
    ):
        read("retailrocket", tmp_path)
