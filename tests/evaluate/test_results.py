from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from pipelines.base.config import Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.errors import MissingEvaluationError
from pipelines.evaluate.results import (
    PER_USER_FILE,
    read_evaluated,
    read_evaluation,
    write_evaluation,
)

AS_OF = date(2024, 3, 1)


def test_evaluation_is_read_back_as_written(
    make_settings: Callable[..., Settings], fabricate: Callable[..., Path]
) -> None:
    settings = make_settings()
    folder = fabricate(settings, "ease", level=0.3)

    found = read_evaluation(settings, AS_OF, "ease", "gate", "discover")

    pd.testing.assert_frame_equal(found.per_user, pd.read_parquet(folder / PER_USER_FILE))
    assert (found.name, found.window, found.placement) == ("ease", "gate", "discover")
    assert found.per_user["ndcg_at_10"].mean() == pytest.approx(
        found.metrics["metrics"]["ndcg_at_10"]["all"]["value"]
    )
    assert found.run_id is None


def test_missing_evaluation_names_the_command(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(MissingEvaluationError, match="recsys train --as-of 2024-03-01 --candidate"):
        read_evaluation(make_settings(), AS_OF, "ease", "gate", "discover")


def test_evaluation_without_its_users_does_not_count(
    make_settings: Callable[..., Settings], fabricate: Callable[..., Path]
) -> None:
    settings = make_settings()
    fabricate(settings, "ease", level=0.3)
    (fabricate(settings, "item_knn", level=0.2) / PER_USER_FILE).unlink()

    assert list(read_evaluated(settings, AS_OF, "gate", "discover")) == ["ease"]


def test_failed_write_leaves_no_evaluation(tmp_path: Path) -> None:
    write_evaluation(tmp_path, pd.DataFrame({"user_id": ["a"]}), {"input_hash": "old"})

    with pytest.raises(ValueError, match="not JSON compliant"):
        write_evaluation(tmp_path, pd.DataFrame({"user_id": ["b"]}), {"value": float("nan")})

    assert not (tmp_path / "metrics.json").exists()


def test_json_replaces_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "one.json"
    write_ordered_json(path, {"n": 1})
    with path.open() as reader:
        write_ordered_json(path, {"n": 2})
        assert '"n": 1' in reader.read()

    assert path.read_text() == '{\n  "n": 2\n}\n'
