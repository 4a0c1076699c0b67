"""Look-ups in a publication of many users: how fast, how soon ready.

python benchmarks/store.py FOLDER [--users 100000] [--items 50] [--look-ups 100000]

Generates random lists of one placement over 20,000 items, lists of similar items and exclusions,
writes `serving.duckdb` and `lists.sqlite` in FOLDER with the product's own writers, and times
`ListStore` in one process, each look-up by itself: the operating system has the file in memory,
the interpreter parses every payload.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import random
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from pipelines.base.current import LOOKUPS, SCHEMA_VERSION, Publication
from pipelines.base.durable import file_sha256
from pipelines.lists.list_rows import LIST_SCHEMA
from pipelines.publications.lookup_file import build_lookups
from pipelines.publications.serving_files import SERVING, build_serving, open_lists
from pipelines.serve.answer.list_store import ListStore

AS_OF = date(2024, 3, 10)
PUBLICATION_ID = f"{AS_OF}-00000000"
N_ITEMS = 20_000
RULES = {
    "exclude": "all",
    "exclude_within_days": None,
    "list_length": 50,
    "max_per_category": None,
    "rerank_depth": 10,
    "pinned": [],
}
META = {
    "publication_id": PUBLICATION_ID,
    "as_of": AS_OF.isoformat(),
    "logical_hash": "0" * 64,
    "generated_at": f"{AS_OF}T02:00:00",
    "schema_version": str(SCHEMA_VERSION),
    "placements": json.dumps({"discover": RULES}),
    "exposure_types": json.dumps(["impression", "served"]),
}


def main() -> None:
    """Print the machine, the files, and a line per look-up."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path, help="where the files are written; made anew")
    arguments.add_argument("--users", type=int, default=100_000)
    arguments.add_argument("--items", type=int, default=50, help="items per list")
    arguments.add_argument("--look-ups", type=int, default=100_000)
    chosen = arguments.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
    shutil.rmtree(chosen.folder, ignore_errors=True)
    chosen.folder.mkdir(parents=True)
    _, seconds = timed(lambda: write_publication(chosen.folder, chosen.users, chosen.items))
    path = chosen.folder / LOOKUPS
    print(f"{chosen.users:,} users x {chosen.items} items written in {seconds:.1f} s:", end=" ")
    print(f"{LOOKUPS} has {path.stat().st_size / 1e6:,.0f} MB")
    time_opening(chosen.folder)
    time_look_ups(chosen.folder, chosen.users, chosen.look_ups)


def write_publication(folder: Path, n_users: int, length: int) -> None:
    """Both files of a publication over random lists."""
    draw = np.random.default_rng(0)
    with duckdb.connect() as connection:
        connection.execute("set threads = 2")
        files = write_night(connection, folder / "night", draw, n_users, length)
        open_lists(connection, *files, make_catalogue(draw))
        counts = {"logical_hash": "0" * 64, "user_count": n_users, "row_count": n_users * length}
        build_serving(
            connection,
            folder / SERVING,
            publication_id=PUBLICATION_ID,
            as_of=AS_OF,
            counts=counts,
            models=[],
        )
        build_lookups(connection, folder / LOOKUPS, META)


def write_night(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    draw: np.random.Generator,
    n_users: int,
    length: int,
) -> tuple[list[Path], Path, list[Path]]:
    """Lists, similar items and exclusions as a night writes them."""
    folder.mkdir()
    names = {
        "lists": ("user_id", item_table(draw, user_ids(n_users), length)),
        "fallback": ("user_id", item_table(draw, [""], length)),
        "similar": ("item_id", item_table(draw, item_ids(), length)),
        "exclusions": ("user_id", item_table(draw, user_ids(n_users), 100)),
    }
    statements = {
        "lists": list_sql("control"),
        "fallback": list_sql("fallback"),
        "similar": """
            select owner as item_id, rank::integer as rank, item_id as similar_item_id,
                1.0 / rank as score, 'item_transitions' as strategy, 'Goes with it' as reason
            from given order by owner, rank
            """,
        "exclusions": """
            select 'discover' as placement, owner as user_id, list(item_id order by item_id)
                as item_ids
            from given group by owner order by owner
            """,
    }
    for name, (_, table) in names.items():
        connection.register("given", table)
        target = folder / f"{name}.parquet"
        connection.execute(f"copy ({statements[name]}) to '{target}' (format parquet)")
        connection.unregister("given")
    lists = [folder / "lists.parquet", folder / "fallback.parquet"]
    return lists, folder / "similar.parquet", [folder / "exclusions.parquet"]


def list_sql(variant: str) -> str:
    """Rows of `LIST_SCHEMA` over `given`."""
    columns = {
        "placement": "'discover'",
        "variant": f"'{variant}'",
        "user_id": "owner",
        "rank": "rank::integer",
        "item_id": "item_id",
        "score": "1.0 / rank",
        "strategy": "'ranker'",
        "reason": "'Fits what you chose before and what is chosen now'",
        "model_version": f"'ranker-0123456789ab@{AS_OF}'",
        "as_of": f"date '{AS_OF}'",
    }
    chosen = ", ".join(f"{columns[name]} as {name}" for name in LIST_SCHEMA.names)
    return f"select {chosen} from given order by owner, rank"


def item_table(draw: np.random.Generator, owners: Sequence[str], length: int) -> pd.DataFrame:
    """Different random items for each owner: owner, rank, item_id."""
    # a random start and a random odd step never meet an item twice in so few
    start = draw.integers(0, N_ITEMS, (len(owners), 1))
    step = 2 * draw.integers(1, 50, (len(owners), 1)) + 1
    items = (start + step * np.arange(length)) % N_ITEMS
    return pd.DataFrame(
        {
            "owner": np.repeat(np.array(owners), length),
            "rank": np.tile(np.arange(1, length + 1), len(owners)),
            "item_id": np.array(item_ids())[items.ravel()],
        }
    )


def user_ids(count: int) -> list[str]:
    """Ids as a shop has them, not in the order of their numbers."""
    return [f"c{number * 7919 % 10_000_019:08d}" for number in range(count)]


def item_ids() -> list[str]:
    """Ids of all items."""
    return [f"p{number:06d}" for number in range(N_ITEMS)]


def make_catalogue(draw: np.random.Generator) -> pd.DataFrame:
    """Items with titles of usual length."""
    ids = item_ids()
    return pd.DataFrame(
        {
            "item_id": ids,
            "title": [f"A THING WITH A USUAL NAME {item_id}" for item_id in ids],
            "category": [f"category {number % 200}" for number in range(N_ITEMS)],
            "price": draw.integers(1, 100, N_ITEMS).astype(float),
            "is_available": True,
            "is_in_feed": True,
        }
    )


def time_opening(folder: Path) -> None:
    """Print what a service does before it takes a publication."""
    publication = Publication(PUBLICATION_ID, folder, {})
    _, hashing = timed(lambda: [file_sha256(folder / name) for name in (SERVING, LOOKUPS)])
    store, opening = timed(lambda: ListStore.open(publication))
    _, checking = timed(store.sample_check)
    store.close()
    print(
        f"ready in {hashing + opening + checking:.2f} s: sha256 of both files {hashing:.2f} s, "
        f"open {1000 * opening:.1f} ms, sample check {1000 * checking:.1f} ms"
    )


def time_look_ups(folder: Path, n_users: int, count: int) -> None:
    """Print percentiles of each kind of look-up, in microseconds."""
    store = ListStore.open(Publication(PUBLICATION_ID, folder, {}))
    draw = random.Random(0)
    users = draw.choices(user_ids(n_users), k=count)
    items = draw.choices(item_ids(), k=count)
    fifty = [draw.sample(item_ids(), 50) for _ in range(count // 10)]
    print(f"{'microseconds':22}{'wall p50':>9} {'p99':>7} {'p99.9':>7} {'CPU p50':>9} {'p99':>7}")
    for name, look_up, keys in (
        ("get_list", lambda user: store.get_list("discover", "control", user), users),
        ("get_exclusions (100)", lambda user: store.get_exclusions("discover", user), users),
        ("get_similar", store.get_similar, items),
        ("get_items(50 ids)", store.get_items, fifty),
    ):
        wall, processor = time_each(look_up, keys)
        p50, p99, p999 = np.percentile(wall, (50, 99, 99.9))
        own50, own99 = np.percentile(processor, (50, 99))
        print(f"{name:22}{p50:9.1f} {p99:7.1f} {p999:7.1f} {own50:9.1f} {own99:7.1f}")
    store.close()


def time_each(
    look_up: Callable[..., object], keys: Sequence[object]
) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds of every single look-up, on the wall and of this thread's processor time."""
    for key in keys[:1000]:
        look_up(key)
    wall, processor = np.empty(len(keys)), np.empty(len(keys))
    gc.collect()
    for at, key in enumerate(keys):
        started, own = time.perf_counter_ns(), time.thread_time_ns()
        look_up(key)
        processor[at] = time.thread_time_ns() - own
        wall[at] = time.perf_counter_ns() - started
    return wall / 1000, processor / 1000


def timed(work: Callable[[], object]) -> tuple[object, float]:
    """What it returns, and the seconds it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


if __name__ == "__main__":
    main()
