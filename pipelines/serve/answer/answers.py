"""Queries to the service and its answers, without HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.serve.answer.exposed import Exposed
from pipelines.serve.answer.ranking import Row

#: Codes of warnings and what they mean; every one is counted.
WARNINGS = {
    "unknown_placement": "no such placement is published; the default one answered",
    "unknown_experiment": "the publication knows no such experiment; the control list answered",
    "store_failure": "the publication could not be read; the popular list held in memory answered",
    "stale": "what the lists know ended longer ago than serve.stale_hours",
    "alarm": "what the lists know ended longer ago than serve.alarm_hours: look at the nightly run",
    "back_filled": "the list was short and was completed from the list for anyone",
    "short_list": "no other item may be shown",
    "unknown_item": "nothing is known to be like this item; the list for anyone answered",
    "erased_user": "the user was erased from this home: nothing is known, logged or taken",
    "exposure_not_logged": "what was shown could not be written to the log",
}


@dataclass(frozen=True)
class Query:
    """A request for a user's list.

    Parameters
    ----------
    user_id : str
    n : int
        Items wanted.
    placement : str or None
        None for the first one of the settings.
    recent : tuple of str
        Items of this session, newest last.
    exclude : tuple of str
        Items not to show.
    category : str or None
        Only items of this category.
    is_strict : bool
        A short list stays short: it is not completed from the list for anyone.
    is_dry_run : bool
        Whether the answer is not shown to anybody, and so not logged.
    experiment : str or None
    attributes : dict of str to str, float or bool
        What the request says of the user, where the publication does not know it.
    """

    user_id: str
    n: int = 10
    placement: str | None = None
    recent: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    category: str | None = None
    is_strict: bool = False
    is_dry_run: bool = False
    experiment: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Answer:
    """A list for a user or an item.

    Parameters
    ----------
    request_id : str
    items : list of dict
        ``item_id``, ``rank``, ``score``, ``reason``, ``title``; best first.
    source : str
        ``personal``, ``recent``, ``similar``, ``segment``, ``popular`` or ``static``.
    model_version, publication_id, generated_at : str
    age_seconds : int
        Since the publication was written.
    is_stale : bool
    warnings : list of str
        Codes of `WARNINGS`, each once.
    placement : str
    exposed : Exposed or None
        The user's arm, in an experiment.
    chances : dict of str to list
        What the log holds of each item besides its id, as in `AnswerRows`.
    """

    request_id: str
    items: list[dict[str, Any]]
    source: str
    model_version: str
    publication_id: str
    generated_at: str
    age_seconds: int
    is_stale: bool
    placement: str
    warnings: list[str] = field(default_factory=list)
    exposed: Exposed | None = None
    chances: dict[str, list[Any]] = field(default_factory=dict)

    def as_dict(self, subject: dict[str, Any]) -> dict[str, Any]:
        """The answer as the API sends it; `subject` says for whom or what it is."""
        return {
            "request_id": self.request_id,
            **subject,
            "placement": self.placement,
            "items": self.items,
            "source": self.source,
            "experiment": self.exposed.as_dict() if self.exposed else None,
            "model_version": self.model_version,
            "publication_id": self.publication_id,
            "generated_at": self.generated_at,
            "age_seconds": self.age_seconds,
            "stale": self.is_stale,
            "warnings": [{"code": code, "detail": WARNINGS[code]} for code in self.warnings],
        }


def entry_of(rank: int, row: Row, titles: dict[str, str | None]) -> dict[str, Any]:
    """One entry of an answer's ``items``."""
    return {
        "item_id": row.item_id,
        "rank": rank,
        "score": row.score,
        "reason": row.reason,
        "title": titles.get(row.item_id),
    }
