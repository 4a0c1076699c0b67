"""Files of made-up shops: orders with a product list, in English and in German."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

FIRST = datetime(2024, 1, 1)
TASTES, ITEMS = 4, 80


def write_shop(folder: Path, *, users: int = 220, days: int = 160, seed: int = 5) -> list[str]:
    """Write orders of people with tastes, a quarter of them repeats; return both paths."""
    rng = np.random.default_rng(seed)
    popular = 1 / np.arange(1, ITEMS // TASTES + 1) ** 0.8
    rows = []
    for user in range(users):
        mine: list[int] = []
        for day in np.sort(rng.integers(0, days, int(rng.integers(4, 14)))):
            at = FIRST + timedelta(days=int(day), seconds=int(rng.integers(0, 86_400)))
            for _ in range(2):
                if mine and rng.random() < 0.25:
                    item = mine[rng.integers(len(mine))]
                else:
                    place = rng.choice(ITEMS // TASTES, p=popular / popular.sum())
                    item = int(place) * TASTES + user % TASTES
                mine.append(item)
                rows.append([f"{len(rows) // 2:06}", f"K{user:04}", f"{item:05}", at, 1, 9.5])
    orders, products = folder / "orders.csv", folder / "products.csv"
    write(orders, ["order_no", "customer", "sku", "date", "qty", "price"], rows)
    titles = [[f"{item:05}", f"Thing {item}", f"Kind {item % 5}"] for item in range(ITEMS)]
    write(products, ["sku", "name", "category"], titles)
    return [str(orders), str(products)]


def write(path: Path, header: list[str], rows: list[list[object]], delimiter: str = ",") -> Path:
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *rows])
    return path
