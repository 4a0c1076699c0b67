from pipelines.measure.experiment_charts import draw_experiment

ARM = {"user_count": 10, "impression_count": 5, "click_count": 1, "ctr": 0.2, "conversion": None}
ROW = {"arm": "ease", "metric": "ctr", "population": "all users"}


def report(history):
    return {
        "definition": {"goal": "ctr"},
        "arms": {"control": ARM, "ease": {**ARM, "ctr": 0.3}},
        "history": history,
    }


def test_the_same_report_gives_the_same_pictures(tmp_path):
    history = [
        {**ROW, "as_of": f"2024-03-0{n}", "estimate": 0.1, "low": -0.5 / n, "high": 3.0 / n}
        for n in (1, 2, 3)
    ]
    first = draw_experiment(report(history), tmp_path / "a")
    again = draw_experiment(report(history), tmp_path / "b")
    assert set(first) == {"lift", "funnel"}
    assert all(first[name].read_bytes() == again[name].read_bytes() for name in first)
    other = draw_experiment(report(history[:2]), tmp_path / "c")
    assert other["lift"].read_bytes() != first["lift"].read_bytes()


def test_before_the_first_effect_there_is_no_lift_to_draw(tmp_path):
    history = [{**ROW, "as_of": "2024-03-01", "estimate": None, "low": None, "high": None}]
    assert set(draw_experiment(report(history), tmp_path)) == {"funnel"}
