"""A shop of twelve customers and fourteen items, as a night finds it after the gate.

Customer `u<n>` bought items n, n+1 and n+2 (mod 14), one a day; `u11` only returned something, so
nobody can learn from them. Item `i13` is out of stock.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.audit.audit import audit_lists
from pipelines.base.config import Settings, load_settings, parse_settings
from pipelines.base.current import stored_ids
from pipelines.base.durable import write_json
from pipelines.base.tables import FEAT_ITEMS, FEAT_USERS, INT_USER_ITEM_DAYS, DbtTable
from pipelines.base.warehouse import connect
from pipelines.features.read import read_interactions
from pipelines.features.snapshot import DAYS_FILE, items_file, users_file
from pipelines.lists.exclusion_rows import EXCLUSION_SCHEMA
from pipelines.lists.for_users import generate_lists
from pipelines.lists.list_rows import LIST_SCHEMA
from pipelines.lists.similar_items import SIMILAR_SCHEMA, generate_similar
from pipelines.models.artefacts import save_recommender
from pipelines.models.candidates import candidate_spec, fit_candidate
from pipelines.publications.publish import publish
from pipelines.publications.serving_files import open_lists
from pipelines.publications.serving_rows import refresh_view
from tests.conftest import write_item_versions

NIGHT = date(2024, 3, 10)
CHAMPIONS = {"discover": "item_knn", "for_you": "personal_frequency"}
CANDIDATES = [
    {"name": "recent_popularity", "recommender": "popularity", "params": {"half_life_days": 10.0}},
    {"name": "personal_frequency", "recommender": "personal_frequency"},
    {"name": "item_knn", "recommender": "item_knn"},
]
CANDIDATE_KEYS = ("name", "recommender")


#: Settings of the shop, beside those of `make_settings`.
SHOP = {
    "placements": {
        "discover": {"list_length": 5, "baselines": ["recent_popularity"]},
        "for_you": {
            "exclude": "none",
            "list_length": 5,
            "baselines": ["recent_popularity", "personal_frequency"],
        },
    },
    "candidates": CANDIDATES,
    "similar": {"candidate": "item_knn", "list_length": 4},
}


@pytest.fixture
def shop(make_settings: Callable[..., Settings]) -> Settings:
    """Two placements of five items; nothing is computed yet."""
    return make_settings(**SHOP)


@pytest.fixture
def shop_config(shop: Settings, tmp_path: Path) -> Path:
    """The shop's settings as a file, for verbs that run in processes of their own."""
    lines = [
        "[gate]",
        "min_users = 2",
        "min_segment_users = 2",
        "[events]",
        "weights = { purchase = 1.0 }",
        "[warehouse]",
        'memory_limit = "1GB"',
        "threads = 1",
        "[placements.discover]",
        "list_length = 5",
        'baselines = ["recent_popularity"]',
        "[placements.for_you]",
        'exclude = "none"',
        "list_length = 5",
        'baselines = ["recent_popularity", "personal_frequency"]',
        "[similar]",
        'candidate = "item_knn"',
        "list_length = 4",
    ]
    for candidate in CANDIDATES:
        lines += ["[[candidates]]", *(f'{key} = "{candidate[key]}"' for key in CANDIDATE_KEYS)]
        lines += [f"params.{name} = {value}" for name, value in candidate.get("params", {}).items()]
    path = tmp_path / "recsys.toml"
    path.write_text("\n".join(lines) + "\n")
    assert load_settings(path, shop.home).model_dump() == shop.model_dump()
    return path


def bought(as_of: date) -> list[tuple[str, str, str, int]]:
    """(user_id, item_id, event_type, days before the night)."""
    rows = [
        (f"u{user:02}", f"i{(user + step) % 14:02}", "purchase", 1 + step + user % 3)
        for user in range(11)
        for step in range(3)
    ]
    return [*rows, ("u11", "i03", "return", 2)]


def write_table(path: Path, table: DbtTable, rows: list[dict[str, object]]) -> None:
    """Rows as Parquet with the columns and types of a table; what a row leaves out is null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        body = ", ".join(f"{column} {kind}" for column, kind in table.columns.items())
        connection.execute(f"create table rows ({body})")
        connection.register("given", pd.DataFrame(rows))
        connection.execute("insert into rows by name select * from given")
        order = ", ".join(table.key)
        connection.execute(f"copy (from rows order by {order}) to '{path}' (format parquet)")


def write_snapshot(
    settings: Settings,
    as_of: date,
    events: list[tuple[str, str, str, int]],
    category: Callable[[str], str | None] = lambda item_id: None,
) -> None:
    """The night's snapshot at its serving cutoff."""
    folder = settings.run_folder(as_of).snapshot
    days = [
        {
            "user_id": user,
            "item_id": item,
            "event_type": kind,
            "event_date": as_of - timedelta(days=age),
            "landed_date": as_of - timedelta(days=age),
            "event_count": 1,
            "last_event_at": pd.Timestamp(as_of - timedelta(days=age)),
        }
        for user, item, kind, age in events
    ]
    write_table(folder / DAYS_FILE, INT_USER_ITEM_DAYS, days)
    titles = {f"i{number:02}": f"Item number {number}" for number in range(14)}
    write_item_versions(folder, as_of, titles)
    items = [
        {
            "cutoff_date": as_of,
            "item_id": item_id,
            "title": title,
            "category": category(item_id),
            "is_available": item_id != "i13",
            "is_in_feed": True,
        }
        for item_id, title in titles.items()
    ]
    write_table(folder / items_file(as_of), FEAT_ITEMS, items)
    segment = {"u00": "heavy", "u01": "light"}
    users = [
        {
            "cutoff_date": as_of,
            "user_id": user,
            "item_count": 3,
            "last_event_at": pd.Timestamp(as_of),
            "segment": segment.get(user, "new"),
        }
        for user in sorted({event[0] for event in events})
    ]
    write_table(folder / users_file(as_of), FEAT_USERS, users)


def refit(settings: Settings, as_of: date, champions: dict[str, str]) -> None:
    """Save each placement's champion, fitted on the night's snapshot."""
    history = read_interactions(settings, as_of, as_of)
    for placement, name in champions.items():
        spec = candidate_spec(settings, settings.candidate(name))
        folder = settings.run_folder(as_of).role(placement, "champion")
        save_recommender(fit_candidate(spec, history), spec, folder)
        role = {"candidate": name, "spec": spec.as_dict(), "spec_hash": spec.spec_hash}
        version = f"{name}-{spec.spec_hash}@{as_of}"
        write_json(folder / "role.json", {**role, "model_version": version, "run_id": None})


def publish_lists(settings: Settings, as_of: date) -> None:
    """The second half of a night, from its snapshot and champions to a publication."""
    for placement in settings.placements:
        generate_lists(settings, as_of, placement)
    generate_similar(settings, as_of)
    audit_lists(settings, as_of)
    publish(settings, as_of)


@pytest.fixture
def make_night(shop: Settings) -> Callable[..., date]:
    """Bring the home to where the gate and the refit leave a night."""

    def make(
        as_of: date = NIGHT,
        events: list[tuple[str, str, str, int]] | None = None,
        champions: dict[str, str] | None = None,
    ) -> date:
        write_snapshot(shop, as_of, bought(as_of) if events is None else events)
        refit(shop, as_of, champions or CHAMPIONS)
        return as_of

    return make


@pytest.fixture(scope="session")
def run_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders with lists that tests have made before, by night: lists never depend on more."""
    return tmp_path_factory.mktemp("run_folders")


@pytest.fixture
def make_lists(
    shop: Settings, make_night: Callable[..., date], run_folders: Path
) -> Callable[..., date]:
    """A night with lists of both placements."""

    def make(as_of: date = NIGHT, **night: object) -> date:
        made = run_folders / as_of.isoformat()
        if not night and made.exists():
            shutil.copytree(made, shop.run_folder(as_of).folder, dirs_exist_ok=True)
            return as_of
        make_night(as_of, **night)
        for placement in shop.placements:
            generate_lists(shop, as_of, placement)
        generate_similar(shop, as_of)
        if not night:
            shutil.copytree(shop.run_folder(as_of).folder, made, ignore=lambda *_: {"audit.json"})
        return as_of

    return make


@pytest.fixture
def publish_night(shop: Settings, make_lists: Callable[..., date]) -> Callable[..., str]:
    """A whole night from snapshot to publication; returns its id."""

    def make(as_of: date = NIGHT, *, force: bool = False, **night: object) -> str:
        make_lists(as_of, **night)
        audit_lists(shop, as_of)
        publication_id: str = publish(shop, as_of, force=force)["publication_id"]
        return publication_id

    return make


@pytest.fixture
def publish_by_rules(shop: Settings, make_night: Callable[..., date]) -> Callable[..., Settings]:
    """A published night of the shop whose placements have other rules; returns its settings."""

    def make(**rules: object) -> Settings:
        as_of, values = make_night(), shop.model_dump(mode="json")
        for placed in values["placements"].values():
            placed.update(rules)
        settings = parse_settings(values)
        publish_lists(settings, as_of)
        return settings

    return make


@pytest.fixture
def bought_rows() -> list[tuple[str, str, str, int]]:
    """The shop's events, to change."""
    return bought(NIGHT)


@pytest.fixture
def night() -> date:
    """The first night of the shop."""
    return NIGHT


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes that tests have made before."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture
def two_nights(shop: Settings, publish_night: Callable[..., str], homes: Path) -> tuple[str, str]:
    """Ids of two nights in a row, both published."""
    made = homes / "two_nights"
    if not made.exists():
        publish_night(NIGHT)
        publish_night(NIGHT + timedelta(days=1))
        shutil.copytree(shop.home, made)
    else:
        shutil.copytree(made, shop.home)
        with connect(shop) as warehouse:
            refresh_view(shop, warehouse)  # it names the home that it was made in
    before, last = stored_ids(shop)
    return before, last


@pytest.fixture
def one_night(two_nights: tuple[str, str], shop: Settings) -> str:
    """Id of a night that is live, and the only one on disk."""
    before, last = two_nights
    shutil.rmtree(shop.publications / before)
    return last


def metric(value: float, low: float | None = None, high: float | None = None) -> dict:
    """A metric of all users, as `metrics.json` has it."""
    return {"all": {"value": value, "low": low, "high": high, "user_count": 700}}


def write_scores(settings: Settings, as_of: date, placement: str, scores: dict[str, float]) -> None:
    """Evaluations of candidates on both windows: NDCG@10 with an interval of 0.01 either way."""
    for name, score in scores.items():
        for window in ("selection", "gate"):
            folder = settings.run_folder(as_of).evaluation(name, window, placement)
            metrics = {
                "ndcg_at_10": metric(score, score - 0.01, score + 0.01),
                "recall_at_10": metric(score / 2),
                "coverage_at_10": metric(0.25),
            }
            write_json(folder / "metrics.json", {"metrics": metrics})
            (folder / "per_user.parquet").touch()


def rule(name: str, passed: bool | None, **values: object) -> dict[str, object]:
    """A row of the gate's JSON."""
    fields = ("opponent", "threshold", "value", "low", "high", "user_count", "users_needed")
    row = {"rule": name, "subject": "all", **dict.fromkeys(fields), "is_passed": passed}
    return {**row, "reason": f"{name} in words", **values}


@pytest.fixture
def report_home(
    shop: Settings, make_lists: Callable[..., date], two_nights: tuple[str, str]
) -> date:
    """A night with everything a report tells: the second of two that are published."""
    as_of = NIGHT + timedelta(days=1)
    run = shop.run_folder(as_of)
    feed = {"loaded_days": 1, "row_count": 34, "duplicate_count": 2, "quarantined_count": 1}
    feeds = {"events": {**feed, "total_days": 7, "total_rows": 12345}}
    write_json(run.load, {"feeds": feeds, "notes": ["column `x` was passed over"]})
    write_scores(shop, as_of, "discover", {"item_knn": 0.2, "recent_popularity": 0.1})
    holder = {"name": "item_knn", "spec": {}, "spec_hash": "aaa"}
    verdict = {"challenger": holder, "champion": holder, "champion_before": None}
    rules = [
        rule("is_logged", True),
        rule("ndcg_ceiling", True, threshold=0.9, value=0.2, low=0.19, high=0.21, user_count=700),
        rule("compared_with_others", None, value=0.5),
    ]
    promoted = {**verdict, "is_promoted": True, "reason": "item_knn wins", "rules": rules}
    write_json(run.gate("discover"), promoted)
    before = {**holder, "name": "personal_frequency"}
    failing = rule(
        "beats_champion",
        False,
        opponent="personal_frequency",
        threshold=0.0,
        value=-0.02,
        low=-0.03,
        high=-0.01,
        user_count=700,
        users_needed=7859,
    )
    kept = {
        **verdict,
        "champion": before,
        "is_promoted": False,
        "reason": "long",
        "rules": [failing],
    }
    write_json(run.gate("for_you"), kept)
    return as_of


#: variant, user_id, rank, item_id, strategy; u0's last row completes the list, u1 has one row.
ROWS = [
    ("control", "u0", 1, "a", "ease"),
    ("control", "u0", 2, "b", "ease"),
    ("control", "u0", 3, "c", "popularity"),
    ("control", "u1", 1, "b", "popularity"),
    ("fallback", "", 1, "c", "popularity"),
]


def list_frame(rows: Sequence[tuple[str, str, int, str, str]] = ROWS) -> pd.DataFrame:
    """Rows of `LIST_SCHEMA`."""
    return pd.DataFrame(
        [
            {
                "placement": "discover",
                "variant": variant,
                "user_id": user_id,
                "rank": rank,
                "item_id": item_id,
                "score": 1.0 / rank,
                "strategy": strategy,
                "reason": f"because of {strategy}",
                "model_version": "ease-abc@2024-03-10",
                "as_of": pd.Timestamp("2024-03-10").date(),
            }
            for variant, user_id, rank, item_id, strategy in rows
        ]
    )


@pytest.fixture
def open_rows(tmp_path: Path) -> Iterator[Callable[..., duckdb.DuckDBPyConnection]]:
    """A connection with `lists` over frames, one file each, three items, and rows beside them."""
    with duckdb.connect() as connection:

        def open_frame(
            *frames: pd.DataFrame,
            similar: Sequence[tuple[str, int, str]] = (),
            exclusions: Sequence[tuple[str, list[str]]] = (),
        ) -> duckdb.DuckDBPyConnection:
            files = []
            for number, frame in enumerate(frames):
                files.append(tmp_path / f"{number}.parquet")
                table = pa.Table.from_pandas(frame, LIST_SCHEMA, preserve_index=False)
                pq.write_table(table, files[-1])
            for view in ("lists", "similar_items", "exclusions"):
                connection.execute(f"drop view if exists {view}")
            connection.execute("drop table if exists items")
            sides = tmp_path / "similar.parquet", tmp_path / "exclusions.parquet"
            alike = [
                {
                    **dict(zip(("item_id", "rank", "similar_item_id"), row, strict=True)),
                    **{"score": 1.0 / row[1], "strategy": "item_knn", "reason": "alike"},
                }
                for row in similar
            ]
            pq.write_table(pa.Table.from_pylist(alike, SIMILAR_SCHEMA), sides[0])
            kept = [
                {"placement": "discover", "user_id": user, "item_ids": items}
                for user, items in exclusions
            ]
            pq.write_table(pa.Table.from_pylist(kept, EXCLUSION_SCHEMA), sides[1])
            titles = {"title": ["A", "B", "C"], "category": None, "price": 1.5}
            catalogue = {
                "item_id": ["a", "b", "c"],
                **titles,
                "is_available": True,
                "is_in_feed": True,
            }
            open_lists(connection, files, sides[0], [sides[1]], pd.DataFrame(catalogue))
            return connection

        yield open_frame


@pytest.fixture
def frame_of() -> Callable[..., pd.DataFrame]:
    """Rows of lists from (variant, user_id, rank, item_id, strategy)."""
    return list_frame
