"""Champions of each placement before tonight, read from `serving.champions`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.warehouse import connect

#: Query of the last row of each placement before a night; a replay does not see later rows.
CHAMPIONS_BEFORE = """
select placement, candidate, spec_hash, spec
from serving.champions
where as_of < ?
qualify row_number() over (partition by placement order by as_of desc) = 1
order by placement
"""


@dataclass(frozen=True)
class Champion:
    """A specification that holds a placement.

    Parameters
    ----------
    name : str
        Name of the candidate that was promoted.
    spec : mapping
        Recommender, params and event weights.
    spec_hash : str
        Identifies the specification, whatever name the settings give it now.
    """

    name: str
    spec: Mapping[str, Any]
    spec_hash: str


def read_champions(settings: Settings, as_of: date) -> dict[str, Champion]:
    """Read the champion of each placement before the night of `as_of`.

    Rows of this night and of later ones are not read.

    Returns
    -------
    dict of str to Champion
        By placement; a placement that never had a champion is not in it.
    """
    with connect(settings) as connection:
        rows = connection.execute(CHAMPIONS_BEFORE, [as_of]).fetchall()
    return {
        placement: Champion(name, json.loads(spec), spec_hash)
        for placement, name, spec_hash, spec in rows
    }
