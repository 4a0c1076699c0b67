"""Roles of a placement on a night, such as champion, and who holds each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from pipelines.base.config import Settings

CHAMPION = "champion"
CHALLENGER = "challenger"
#: Every role, in the order they are fitted.
ROLES = (CHAMPION, CHALLENGER)


def read_role(settings: Settings, as_of: date, placement: str, role: str) -> dict[str, Any] | None:
    """Read a role's `role.json`; None if nobody has the role tonight."""
    path = settings.run_folder(as_of).role_file(placement, role)
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def model_version(holder: Mapping[str, Any], as_of: date) -> str:
    """Model version: the name of a specification fitted on a night; needs no server.

    Examples
    --------
    >>> from datetime import date
    >>> model_version({"name": "ease", "spec_hash": "0123456789ab"}, date(2011, 12, 9))
    'ease-0123456789ab@2011-12-09'
    """
    return f"{holder['name']}-{holder['spec_hash']}@{as_of.isoformat()}"
