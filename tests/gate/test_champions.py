from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

import pandas as pd

from pipelines.base.tables import SERVING_CHAMPIONS
from pipelines.base.warehouse import connect, replace_slice
from pipelines.gate.champions import Champion, read_champions


def write_champion(settings, as_of, placement, name):
    row = {
        "as_of": as_of,
        "placement": placement,
        "candidate": name,
        "spec_hash": f"hash-{name}",
        "spec": '{"recommender": "ease"}',
        "is_promoted": False,
        "reason": "",
    }
    frame = pd.DataFrame([row], columns=list(SERVING_CHAMPIONS.columns))
    with connect(settings) as connection:
        replace_slice(
            connection, SERVING_CHAMPIONS, frame, {"as_of": as_of, "placement": placement}
        )


def test_nobody_is_champion_before_the_first_night(shop, night):
    assert read_champions(shop, night) == {}


def test_champion_is_the_last_one_before_the_night_by_placement(shop, night):
    for days, placement, name in (
        (-9, "discover", "old"),
        (-2, "discover", "item_knn"),
        (0, "discover", "tonight"),
        (5, "discover", "later"),
        (-9, "for_you", "ease"),
    ):
        write_champion(shop, night + timedelta(days=days), placement, name)
    found = read_champions(shop, night)
    assert found == {
        "discover": Champion("item_knn", {"recommender": "ease"}, "hash-item_knn"),
        "for_you": Champion("ease", {"recommender": "ease"}, "hash-ease"),
    }


def test_champion_is_a_plain_dict_in_the_verdict():
    champion = Champion("ease", {"recommender": "ease"}, "0123")
    assert asdict(champion) == {
        "name": "ease",
        "spec": {"recommender": "ease"},
        "spec_hash": "0123",
    }
