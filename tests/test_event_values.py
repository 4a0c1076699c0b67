"""What values mean, from the files of a shop to the lists and the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.base.config import Settings, parse_settings
from pipelines.base.warehouse import connect
from pipelines.events.landing import land
from pipelines.events.load import load_days
from pipelines.features.build import build_features
from pipelines.features.interactions import Interactions
from pipelines.features.read import read_interactions, read_truth
from pipelines.features.snapshot import take_snapshot
from pipelines.models.candidates import candidate_spec, fit_candidate
from pipelines.rules.exclusion import placement_exclusion

FIRST_DAY, AS_OF = datetime(2024, 1, 1, tzinfo=UTC), date(2024, 3, 1)
#: Days of ratings; the last one's are in the truth of the gate window.
RATED_DAYS = (5, 20, 58)


def settings_of(home: Path, **events: Any) -> Settings:
    return parse_settings(
        {
            "home": home,
            "warehouse": {"memory_limit": "1GB", "threads": 1},
            "evaluation": {"horizon_days": 7, "truth_events": ["rating"]},
            "events": {"weights": {"rating": 1.0, "return": -1.0}, **events},
            "placements": {"discover": {"exclude": ["rating"]}},
        }
    )


def rated(user: int) -> Iterator[tuple[str, float]]:
    """Everybody but the last ten rates the first film 0.5; others are liked by every third."""
    if user < 80:
        yield "1", 0.5
    for film in range(2, 12):
        if (user + film) % 3 == 0:
            yield str(film), 4.0 + (user % 3) / 2


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """MovieLens of 90 users and 11 films, landed and loaded once; features as set."""
    folder = tmp_path_factory.mktemp("films")
    lines = ["userId,movieId,rating,timestamp"]
    for user in range(90):
        for place, (film, stars) in enumerate(rated(user)):
            day = RATED_DAYS[(user + place) % len(RATED_DAYS)]
            at = int(FIRST_DAY.timestamp()) + day * 86_400 + user
            lines.append(f"{user},{film},{stars},{at}")
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")
    titles = "".join(f"{film},Film {film},Drama\n" for film in range(1, 12))
    (folder / "movies.csv").write_text("movieId,title,genres\n" + titles)
    home = folder / "home"
    land(settings_of(home), "movielens", folder)
    load_days(settings_of(home), AS_OF)

    def built(**events: Any) -> Settings:
        settings = settings_of(home, **events)
        build_features(settings, AS_OF)
        take_snapshot(settings, AS_OF)
        return settings

    return built


def popular(settings: Settings, history: Interactions) -> list[str]:
    spec = candidate_spec(settings, settings.candidate("popularity"))
    lists = fit_candidate(spec, history).recommend(history, 11)
    return [str(history.item_ids[item]) for item in lists.items[0] if item >= 0]


def relevant(settings: Settings) -> set[str]:
    truth = read_truth(settings, AS_OF, settings.night(AS_OF).gate)
    return set(truth["item_id"])


@pytest.mark.slow
def test_a_film_that_80_users_rate_half_a_star_is_neither_popular_nor_relevant(films):
    settings = films()
    assert popular(settings, read_interactions(settings, AS_OF, AS_OF))[0] == "1"
    before = relevant(settings)
    assert "1" in before
    for below in ("return", "nothing"):
        settings = films(min_value={"rating": 4.0}, below_min_value=below)
        history = read_interactions(settings, AS_OF, AS_OF)
        assert sorted(popular(settings, history), key=int) == [str(film) for film in range(2, 12)]
        assert relevant(settings) == before - {"1"}
        # the users know the film all the same: it is not shown to them again
        exclusion = placement_exclusion(settings.placements["discover"], history)
        assert exclusion.pairs is not None
        film = int(np.flatnonzero(history.item_ids == "1")[0])
        assert exclusion.pairs[:, [film]].sum() == 80
    with connect(settings, read_only=True) as warehouse:
        found = warehouse.execute("select event_type, count(*) from raw.events group by 1")
        assert dict(found.fetchall())["rating"] == 80 + 30 * 10  # raw says what was told


def test_a_piece_that_came_back_is_taken_from_revenue_once(tmp_path):
    path = tmp_path / "sold.csv"
    rows = [("a", "x", day, units) for day, units in ((1, 2), (3, -1), (4, 2))]
    rows += [("b", "x", 2, -1), *(("c", f"y{n}", 50, 1) for n in range(3))]
    lines = [
        f"{user},{item},2024-{1 + day // 31:02}-{1 + day % 31:02},{units},2.5"
        for user, item, day, units in rows
    ]
    path.write_text("\n".join(["user,item,time,units,price", *lines]) + "\n")
    settings = settings_of(tmp_path / "home")
    mapping = {"user_id": "user", "item_id": "item", "event_at": "time"}
    mapping |= {"value": "units", "price": "price"}
    report = land(settings, "table", path, mapping=mapping, event_type="purchase")
    assert report.notes[-1].startswith("2 purchases of a negative quantity count as returns")
    load_days(settings, AS_OF)
    build_features(settings, AS_OF)
    take_snapshot(settings, AS_OF)
    with connect(settings, read_only=True) as warehouse:
        query = (
            "select user_id, purchase_count, return_count, quantity, revenue "
            "from features.feat_user_items where cutoff_date = $day and item_id = 'x' order by all"
        )
        found = warehouse.execute(query, {"day": AS_OF}).fetchall()
    assert found == [("a", 2, 1, 4.0, (2 - 1 + 2) * 2.5), ("b", 0, 1, 0.0, -1 * 2.5)]
    history = read_interactions(settings, AS_OF, AS_OF)
    bought = history.matrix({"purchase": 1.0, "return": -1.0})
    item = int(np.flatnonzero(history.item_ids == "x")[0])
    assert bought[:, [item]].toarray().ravel().tolist() == [2 - 1, 0, 0]
