import numpy as np

from pipelines.show.charts import draw_line, draw_point, name_rows, new_chart, save_chart


def test_the_same_chart_gives_the_same_bytes(tmp_path):
    def draw():
        figure, axes = new_chart(4, 2)
        draw_line(
            axes, [1, 2], {"value": [1, 2], "low": [0, 1], "high": [2, 3]}, alpha=0.1, color="k"
        )
        return figure

    one, two = (save_chart(tmp_path / name, draw) for name in ("one.png", "two.png"))
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(b"\x89PNG")


def test_a_figure_that_is_not_known_leaves_a_gap():
    _, axes = new_chart(4, 2)
    line = {"value": [1, None, 3], "low": [0, None, None], "high": [2, None, None]}
    draw_line(axes, [1, 2, 3], line, alpha=0.1, color="k")
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1, np.nan, 3])


def test_whiskers_end_at_the_bounds_and_are_left_out_where_there_are_none():
    _, axes = new_chart(4, 2)
    draw_point(axes, 0.3, 1, {"value": 0.3, "low": 0.1, "high": 0.4}, is_flat=True)
    draw_point(axes, 0.3, 2, {"value": 0.3, "low": None, "high": None}, is_flat=True)
    (whisker,) = [bars[2][0].get_segments()[0] for bars in axes.containers if bars[2]]
    np.testing.assert_allclose(whisker, [[0.1, 1], [0.4, 1]])


def test_the_first_name_is_on_top():
    _, axes = new_chart(4, 2)
    name_rows(axes, ["best", "worst"])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["best", "worst"]
    assert axes.yaxis_inverted()
