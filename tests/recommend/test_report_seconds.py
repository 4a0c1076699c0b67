from __future__ import annotations

import io

from rich.console import Console

from pipelines.durable import write_json
from pipelines.offline.results import read_metrics
from pipelines.recommend.report import build_report
from pipelines.recommend.report_markdown import to_markdown
from pipelines.recommend.report_terminal import print_report


def printed(report, width=80):
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def spend(shop, as_of, name, fit, recommend):
    for window in ("selection", "gate"):
        folder = shop.run_folder(as_of).evaluation(name, window, "discover")
        times = {"fit_seconds": fit, "recommend_seconds": recommend}
        write_json(folder / "metrics.json", {**read_metrics(folder), **times})


def test_seconds_end_the_evaluations_slowest_first(shop, report_home):
    spend(shop, report_home, "item_knn", 14.0, 1.0)
    spend(shop, report_home, "recent_popularity", 4.5, 0.5)
    report = build_report(shop, report_home)
    text = to_markdown(report)
    table = text[
        text.index("## Where the time went, in s") : text.index("## Published")
    ].splitlines()
    assert table[4:6] == [
        "| item_knn | 28.0 | 2.0 | 30.0 | 75% |",
        "| recent_popularity | 9.0 | 1.0 | 10.0 | 25% |",
    ]
    lines = printed(report).splitlines()
    assert lines.index("Where the time went, in seconds") < lines.index("Published")
    assert "item_knn 28.0 2.0 30.0 75%" in [" ".join(line.split()) for line in lines]


def test_steps_of_the_night_follow_with_their_runs(shop, report_home):
    for subject, seconds in ((None, 6.0), ("discover", 1.0), ("for_you", 1.0)):
        verb = "events.load_days" if subject is None else "promote.refit_placement"
        path = shop.run_folder(report_home).steps / f"{verb}.{subject}.json"
        write_json(path, {"verb": verb, "subject": subject, "seconds": seconds})
    report = build_report(shop, report_home)
    text = to_markdown(report)
    assert (
        "| events.load_days | 1 | 6.0 | 75% |\n| promote.refit_placement | 2 | 2.0 | 25% |" in text
    )
    assert "promote.refit_placement 2 2.0 25%" in " ".join(printed(report).split())


def test_evaluations_without_times_have_no_table(shop, report_home):
    report = build_report(shop, report_home)
    assert report["seconds"] == []
    assert "Where the time went" not in to_markdown(report) + printed(report)
