"""Who held each placement before tonight: `serving.champions`, read and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.warehouse import connect

#: Last row of each placement before tonight; a replayed night does not see later ones.
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
        The candidate it was.
    spec : mapping
        Recommender, params and event weights.
    spec_hash : str
        What identifies it, whatever a settings file calls it now.
    """

    name: str
    spec: Mapping[str, Any]
    spec_hash: str

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the gate's JSON."""
        return {"name": self.name, "spec": dict(self.spec), "spec_hash": self.spec_hash}


def read_champions(settings: Settings, as_of: date) -> dict[str, Champion]:
    """Champion of each placement before the night of `as_of`.

    Parameters
    ----------
    settings : Settings
    as_of : date
        Rows of this night and later ones are not looked at.

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
