from __future__ import annotations

from datetime import date

from pipelines.events.log_lines import list_log_files, parse_row, read_rows


def test_only_log_files_of_days_are_found_in_order(tmp_path):
    names = [
        "date=2024-03-02/events-b.jsonl",
        "date=2024-03-01/served-1-ab.jsonl",
        "date=2024-03-01/items-1-ab.jsonl",
        "date=2024-02-01/events-a.jsonl",
        "date=2024-03-01/notes.jsonl",
        "date=2024-03-01/events-a.jsonl.tmp",
        "date=2024-13-01/events-a.jsonl",
        "other/events-a.jsonl",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = list_log_files(tmp_path, date(2024, 3, 1))
    assert [(file.day.day, file.kind, file.instance) for file in found] == [
        (1, "items", "1-ab"),
        (1, "served", "1-ab"),
        (2, "events", "b"),
    ]
    assert list_log_files(tmp_path / "none", date.min) == []


def test_rows_are_read_from_an_offset_up_to_the_last_whole_line(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b'{"n":1}\n{"n":2}\n\n{"n":\n[3]\n{"n":4}')
    assert list(read_rows(path, 8)) == [(16, {"n": 2}), (23, None), (27, None)]


def test_a_long_line_over_many_chunks_is_one_row(tmp_path):
    path = tmp_path / "log"
    path.write_text('{"n": "' + "x" * 3_000_000 + '"}\n')
    ((end, row),) = read_rows(path, 0)
    assert (end, len(row["n"])) == (3_000_010, 3_000_000)


def test_deep_nesting_is_no_row():
    assert parse_row(b"[" * 100_000) is None
