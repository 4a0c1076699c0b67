"""The audit of a night's lists: every rule must hold, or nothing is published."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines.audit.eligible import ITEM_COLUMNS, open_people
from pipelines.audit.findings import Finding, ListFile
from pipelines.audit.list_audit import audit_file
from pipelines.audit.similar import audit_similar
from pipelines.base.config import Settings
from pipelines.base.current import Publication, date_of, read_publication, stored_ids
from pipelines.base.durable import file_sha256, read_json, write_json
from pipelines.base.errors import AuditError, PublicationNotFoundError
from pipelines.base.warehouse import connect
from pipelines.experiments.definition import CONTROL
from pipelines.features.read import forget_histories, read_catalogue, read_user_attributes
from pipelines.features.snapshot import DAYS_FILE
from pipelines.lists.list_rows import FALLBACK

logger = logging.getLogger(__name__)


def audit_lists(settings: Settings, as_of: date) -> dict[str, Any]:
    """Check every list file of the night against every rule and write `audit.json`.

    Parameters
    ----------
    settings : Settings
        Thresholds are in `settings.audit`.
    as_of : date

    Returns
    -------
    dict
        ``passed``, ``compared_with`` (id of the last publication, or None), ``files`` (sha256
        by path under `lists/`), ``notes``, and ``rules``: one entry per placement, variant and
        rule with ``threshold``, ``found``, ``passed`` and ``note``.

    Raises
    ------
    AuditError
        If a rule does not hold; the message lists all that fail. `audit.json` is written first.

    Notes
    -----
    The last publication is the newest one with an earlier `as_of`; on the first night (and for a
    placement or variant it does not have) comparisons with it are skipped, and noted.
    Where the gate has promoted another specification since, lists are meant to differ, so their
    overlap is held to `audit.min_overlap_after_promotion` instead of `audit.min_overlap_at_10`.
    """
    forget_histories()  # lists are made: free the histories
    with connect(settings, path=Path(":memory:")) as connection:
        last, notes = _find_last(settings, as_of)
        _register_inputs(connection, settings, as_of, last)
        files = _hashes(settings, as_of)
        findings = [
            finding
            for placement in settings.placements
            for variant in _variants(settings, as_of, placement)
            for finding in audit_file(
                ListFile(connection, settings, as_of, placement, variant, last)
            )
        ]
        findings += audit_similar(connection, settings, as_of)
    failed = [finding for finding in findings if not finding.passed]
    report = {
        "as_of": as_of.isoformat(),
        "passed": not failed,
        "compared_with": last.publication_id if last else None,
        "notes": notes,
        "files": files,
        "rules": [asdict(finding) for finding in findings],
    }
    write_json(settings.run_folder(as_of).audit, report)
    if failed:
        raise AuditError(_explain(failed, as_of))
    logger.info("audit passed: %s rules over %s files", len(findings), len(files))
    return report


def list_files(settings: Settings, as_of: date) -> list[str]:
    """Paths under `lists/` of the list files of the settings' placements, sorted."""
    folder = settings.run_folder(as_of).lists
    return sorted(
        str(path.relative_to(folder))
        for name in settings.placements
        for path in (folder / name).glob("*.parquet")
    )


def _hashes(settings: Settings, as_of: date) -> dict[str, str]:
    """sha256 by path under `lists/` of every file a publication is made of."""
    folder = settings.run_folder(as_of).lists
    sides = [settings.run_folder(as_of).similar]
    for name in settings.placements:
        sides += [
            settings.run_folder(as_of).exclusions(name),
            settings.run_folder(as_of).pool(name),
        ]
    found = [*list_files(settings, as_of), *(str(path.relative_to(folder)) for path in sides)]
    return {name: file_sha256(folder / name) for name in found if (folder / name).exists()}


def read_audited_files(settings: Settings, as_of: date) -> list[str]:
    """Paths under `lists/` of the list files, checked to be those that passed the audit.

    Raises
    ------
    AuditError
        If there was no audit, it failed, or the files have changed since.
    """
    path = settings.run_folder(as_of).audit
    retry = f"Run `recsys publish --as-of {as_of}` (lists, audit, publish)."
    if not path.exists():
        raise AuditError(
            f"Lists must pass the audit before they are published. Found no {path}. {retry}"
        )
    report = read_json(path)
    if report.get("passed") is not True:
        raise AuditError(
            f"Lists must pass the audit before they are published. Found {path} failed. {retry}"
        )
    found = _hashes(settings, as_of)
    if not found or found != report.get("files"):
        raise AuditError(
            "Exactly the audited list files may be published. Found others (or changed ones) in "
            f"{settings.run_folder(as_of).lists} since the audit. {retry}"
        )
    return list_files(settings, as_of)


def _find_last(settings: Settings, as_of: date) -> tuple[Publication | None, list[str]]:
    """Newest sound publication before `as_of`, and notes on the damaged ones passed over."""
    notes: list[str] = []
    for publication_id in reversed(stored_ids(settings)):
        if date_of(publication_id) >= as_of:
            continue
        try:
            return read_publication(settings, publication_id, verify=True), notes
        except PublicationNotFoundError as error:
            logger.warning("not compared with %s: %s", publication_id, error)
            notes.append(f"{publication_id} is damaged and was passed over")
    notes.append("first publication: nothing to compare with")
    return None, notes


def _register_inputs(
    connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: date, last: Publication | None
) -> None:
    """Create the tables `items`, `people`, `history` and `last_lists` that the rules read."""
    catalogue = read_catalogue(settings, as_of, as_of)
    connection.register(
        "catalogue", catalogue.reindex(columns=["is_available", "is_in_feed", *ITEM_COLUMNS])
    )
    connection.execute("create table items as select * from catalogue")
    connection.unregister("catalogue")
    open_people(connection, read_user_attributes(settings, as_of, as_of))
    # The rows of `read_interactions`, read again in SQL, so that its mistakes are found here.
    connection.execute(
        """
        create table history as
        select distinct user_id, item_id, event_type, event_date
        from read_parquet($1)
        where event_date < $2 and landed_date < $2 and not list_contains($3, event_type)
        """,
        [
            str(settings.run_folder(as_of).snapshot / DAYS_FILE),
            as_of,
            list(settings.events.exposures),
        ],
    )
    if last is None:
        return
    path = str(last.serving_path).replace("'", "''")
    connection.execute(f"attach '{path}' as last_publication (read_only)")
    connection.execute("create view last_lists as from last_publication.recommendations")


def _variants(settings: Settings, as_of: date, placement: str) -> list[str]:
    """Variants of a placement that must have lists, those for anyone among them, or do have."""
    found = (settings.run_folder(as_of).lists / placement).glob("*.parquet")
    return sorted({CONTROL, FALLBACK, *(path.stem for path in found)})


def _explain(failed: list[Finding], as_of: date) -> str:
    lines = [
        f"  {finding.placement}/{finding.variant}: {finding.rule} must be {finding.threshold}. "
        f"Found {finding.found}. {finding.note}".rstrip()
        for finding in failed
    ]
    return (
        f"Every rule of the audit must hold before lists of {as_of} are published. "
        f"Found {len(failed)} that do not:\n"
        + "\n".join(lines)
        + "\nThe live publication stays as it is. Look at audit.json and the lists beside it; mend "
        "the data or the candidate, or change the threshold in [audit] if the change is "
        "wanted; then run `recsys publish` again."
    )
