from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.base.config import PROJECT_ROOT
from pipelines.base.errors import EventLogError
from pipelines.serve.log.event_log import EventLog

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


class Clock:
    now = datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def log(tmp_path, clock):
    one = EventLog(tmp_path, "me", clock)
    yield one
    one.close()


def read(path: Path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_are_in_the_file_of_the_day_before_append_returns(log, tmp_path):
    assert log.append("events", [{"a": 1}, {"a": "ü\n"}]) == date(2023, 12, 31)
    assert read(tmp_path / "date=2023-12-31" / "events-me.jsonl") == [{"a": 1}, {"a": "ü\n"}]


def test_the_file_changes_at_midnight_utc(log, clock, tmp_path):
    log.append("served", [{"n": 1}])
    clock.now = NEW_YEAR
    log.append("served", [{"n": 2}])
    assert read(tmp_path / "date=2023-12-31" / "served-me.jsonl") == [{"n": 1}]
    assert read(tmp_path / "date=2024-01-01" / "served-me.jsonl") == [{"n": 2}]


def test_a_file_that_was_replaced_or_removed_is_not_written_to_any_more(log, tmp_path):
    path = tmp_path / "date=2023-12-31" / "events-me.jsonl"
    log.append("events", [{"n": 1}])
    (tmp_path / "new").write_text('{"n": 0}\n')
    os.replace(tmp_path / "new", path)
    log.append("events", [{"n": 2}])
    assert read(path) == [{"n": 0}, {"n": 2}]
    path.unlink()
    log.append("events", [{"n": 3}])
    assert read(path) == [{"n": 3}]


def test_a_full_disk_is_an_error_and_goes_away_by_itself(log, tmp_path):
    path = tmp_path / "date=2023-12-31" / "events-me.jsonl"
    path.parent.mkdir()
    path.symlink_to("/dev/full")
    with pytest.raises(EventLogError, match="Lines must be written to .*No space left"):
        log.append("events", [{"n": 1}])
    path.unlink()
    log.append("events", [{"n": 2}])
    assert read(path) == [{"n": 2}]


CUT_SHORT = """
import json, os, resource, sys
from datetime import UTC, datetime
from pathlib import Path
from pipelines.base.errors import EventLogError
from pipelines.serve.log.event_log import EventLog
log = EventLog(Path(sys.argv[1]), "me", lambda: datetime(2024, 1, 1, tzinfo=UTC))
log.append("events", [{"n": 1}])
resource.setrlimit(resource.RLIMIT_FSIZE, (14, resource.RLIM_INFINITY))
try:
    log.append("events", [{"n": "long enough to be cut"}])
except EventLogError as error:
    print("refused")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.append("events", [{"n": 2}])
log.close()
"""


def test_a_line_cut_short_by_a_full_disk_spoils_no_other(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CUT_SHORT, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT_ROOT,
    )
    assert done.stdout == "refused\n"
    content = (tmp_path / "date=2024-01-01" / "events-me.jsonl").read_bytes()
    assert content == b'{"n":1}\n{"n":"\n{"n":2}\n'
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_two_instances_write_files_of_their_own(log, clock, tmp_path):
    other = EventLog(tmp_path, "you", clock)
    log.append("events", [{"n": 1}])
    other.append("events", [{"n": 2}])
    other.close()
    folder = tmp_path / "date=2023-12-31"
    assert {path.name for path in folder.iterdir()} == {"events-me.jsonl", "events-you.jsonl"}
