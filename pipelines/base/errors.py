"""Every error a caller may handle, in one tree under `PipelineError`.

Messages have three parts: what must hold, what was found, what to do.
"""

from __future__ import annotations


class PipelineError(Exception):
    """Base of everything this package raises on purpose."""


# settings and arguments


class SettingsError(PipelineError):
    """A setting or argument is missing, unknown or out of range."""


# the machine


class DiskFullError(PipelineError):
    """The disk is full, or a quota or a limit on file sizes is reached."""


class HomeBusyError(PipelineError):
    """A night and the erasing of a user would overlap in one home."""


class BlockWorkError(PipelineError):
    """Spark did not end its work on blocks of users."""


class BackupError(PipelineError):
    """A backup cannot be made, or is not whole."""


class EraseError(PipelineError):
    """A user's id is still somewhere in the home after it was erased."""


# orchestration


class UnknownNightError(PipelineError):
    """Nothing is known of a night: it never ran in this home."""


class NightFailedError(PipelineError):
    """A night's DAG run did not end in success; the message names the task and the log."""


class ServiceError(PipelineError):
    """A server that was started did not become healthy in time."""


class NotifyError(PipelineError):
    """A receiver did not take an alert."""


# events


class LandingError(PipelineError):
    """A source cannot be turned into day files."""


class DayFilesError(PipelineError):
    """Day files are not where they were, or none is there; nothing was changed."""


class SchemaError(PipelineError):
    """A day file lacks a column or has one of another type; nothing was changed."""


class QuarantineLimitError(PipelineError):
    """A day has more bad rows than `events.max_quarantine_share`; nothing was changed."""


class DataCheckError(PipelineError):
    """A critical check of the events or the features failed."""


# features


class WarehouseLockedError(PipelineError):
    """Another process holds the warehouse file."""


class FeatureBuildError(PipelineError):
    """A dbt node failed; the message lists each with its reason."""


class MissingSnapshotError(PipelineError):
    """A night's snapshot (or a part of it) is not there yet."""


# recommenders


class UnknownRecommenderError(PipelineError):
    """A specification names a recommender that does not exist."""


class InvalidHistoryError(PipelineError):
    """A history a recommender was given breaks the interface's rules."""


class InvalidScoreError(PipelineError):
    """A recommender produced a score that cannot be ranked."""


class StoredRecommenderError(PipelineError):
    """A saved recommender is missing, damaged, or of an unknown kind."""


# evaluation and gate


class MissingEvaluationError(PipelineError):
    """A candidate has no complete evaluation on a window and placement."""


class BenchmarkError(PipelineError):
    """A benchmark's files or options cannot be used."""


class NoCandidateError(PipelineError):
    """No candidate could be evaluated, so the night has nothing to choose from."""


class NoScoredUsersError(PipelineError):
    """Nobody could be scored in a window, so the night could choose no champion."""


class NoChampionError(PipelineError):
    """No champion is known for a placement at this `as_of`."""


# lists and publications


class AuditError(PipelineError):
    """The lists break a rule of the audit; CURRENT stays as it was."""


class PublishLockedError(PipelineError):
    """Another publisher holds the lock."""


class PinnedError(PipelineError):
    """A publication is pinned, so the command would have no effect."""


class PublicationNotFoundError(PipelineError):
    """The publication asked for does not exist or fails its hashes."""


class PostgresError(PipelineError):
    """The live lists could not be copied to Postgres; the live publication stays the same."""


class UnknownUserError(PipelineError):
    """No list and no history exist for a user id."""


class UnknownItemError(PipelineError):
    """No item feed, no list and no history knows an item id."""


class QueryError(PipelineError):
    """A SQL query that the live publication cannot answer."""


# the API


class RequestRefusedError(PipelineError):
    """The API refuses a request: its HTTP status, what was wrong, and what to do.

    Parameters
    ----------
    status : int
        HTTP status from 400 on.
    detail : str
    headers : dict of str to str, optional
    errors : list of dict, optional
        One entry per wrong part: ``where`` and ``detail``.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        errors: list[dict[str, str]] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.errors = errors or []


class EventLogError(PipelineError):
    """A line could not be appended to the API's logs; it does not count as written."""


# experiments


class ExperimentError(PipelineError):
    """An experiment's file is missing, invalid or edited, or its state does not allow the step."""
