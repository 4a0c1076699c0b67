from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipelines.base.config import parse_settings
from pipelines.features.interactions import Interactions
from pipelines.features.read import read_catalogue, read_interactions, read_user_attributes
from pipelines.features.snapshot import attributes_file
from pipelines.models.base import Exclusion
from pipelines.models.candidates import candidate_spec, fit_candidate
from pipelines.models.popularity import Popularity
from pipelines.rules import block_lists
from pipelines.rules.block_lists import ListInputs, Origin, make_in_blocks
from pipelines.rules.exclusion import placement_exclusion
from pipelines.rules.list_rules import make_list_rules
from tests.published_shop import make_night, shop  # noqa: F401 - fixtures, found by their names

RULES = {
    "nothing but what they had": {},
    "cap, diversity and pins": {
        "max_per_category": 1,
        "diversity": 0.5,
        "pinned": [{"item_id": "i02", "rank": 2}],
    },
    "conditions and boosts that read the user": {
        "eligible": ["user.age is null or user.age > 30 or item.title != 'Item number 5'"],
        "boosts": [{"when": "user.country = 'FR' and item.title != 'Item number 7'", "places": 3}],
    },
}


def rows_of_lists(inputs: ListInputs, users: slice) -> pa.Table:
    """Users, items and scores of lists, and who the block says that they are of."""
    lists = inputs.place(5)
    return pa.table(
        {
            "user_id": lists.user_ids.tolist(),
            "at": np.arange(users.start, users.stop),
            "items": lists.item_ids[lists.items].tolist(),
            "scores": lists.scores.tolist(),
            "source": lists.source.tolist(),
        }
    )


class Executors:
    """Executors in this process: what they work with was read from files."""

    def __init__(self):
        self.blocks = 0

    def map(self, open_work, blocks, folder):
        self.blocks += len(blocks)
        work = open_work()
        yield from map(work, blocks)


@pytest.fixture
def executors(monkeypatch):
    executors = Executors()
    monkeypatch.setattr(block_lists, "BLOCK_USERS", 5)
    monkeypatch.setattr(block_lists, "block_workers", lambda _: nullcontext(executors))
    return executors


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("asks_consent", [False, True])
def test_blocks_that_are_read_from_files_have_the_same_lists(
    shop,  # noqa: F811 - the fixture
    make_night,  # noqa: F811 - the fixture
    executors,
    rules,
    asks_consent,
):
    night, values = make_night(), shop.model_dump(mode="json")
    values["placements"]["discover"] |= RULES[rules]
    values["engine"] = "spark"
    settings = parse_settings(values)
    # only u11 said anything of consent, which is in the last block
    people = pd.DataFrame({"user_id": ["u01", "u07", "u11"], "country": "FR", "language": None})
    people = people.assign(age=[20.0, 40.0, 20.0], consent=[None, None, True], attributes=None)
    if not asks_consent:
        people["consent"] = None
    people.to_parquet(settings.run_folder(night).snapshot / attributes_file(night))
    placement = settings.placements["discover"]
    history = read_interactions(settings, night, night)
    known = (read_catalogue(settings, night, night), read_user_attributes(settings, night, night))
    specs = [
        candidate_spec(settings, settings.candidate(n)) for n in ("item_knn", "recent_popularity")
    ]
    inputs = ListInputs(
        *(fit_candidate(spec, history) for spec in specs),
        history,
        placement_exclusion(placement, history, *known),
        make_list_rules(placement, history, *known),
    )
    assert (inputs.exclude.impersonal is not None) == asks_consent
    origin = Origin(settings, night, night, "discover", *specs)

    here = list(make_in_blocks(inputs, rows_of_lists))
    there = list(make_in_blocks(inputs, rows_of_lists, origin))

    assert [table.num_rows for table in here] == [5, 5, 2] and executors.blocks == 3
    assert here == there
    assert not list((settings.spark_folder / "blocks").rglob("*.npy"))


def test_users_of_one_block_are_not_handed_over(shop, make_night, executors):  # noqa: F811 - them
    night = make_night(events=[("u00", "i00", "purchase", 1)])
    settings = shop.model_copy(update={"engine": "spark"})
    history: Interactions = read_interactions(settings, night, night)
    spec = candidate_spec(settings, settings.candidate("recent_popularity"))
    placement = settings.placements["discover"]
    rules = make_list_rules(placement, history, None)
    inputs = ListInputs(Popularity().fit(history), None, history, Exclusion(), rules)
    origin = Origin(settings, night, night, "discover", spec)
    assert len(list(make_in_blocks(inputs, rows_of_lists, origin))) == 1
    assert executors.blocks == 0
