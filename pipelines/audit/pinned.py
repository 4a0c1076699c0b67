"""The audit's rule on pinned items."""

from __future__ import annotations

from pipelines.audit.findings import Finding, ListFile
from pipelines.rules.pins import PINNED


def audit_pins(file: ListFile) -> Finding:
    """Check that rows are labelled pinned only where the placement pins their item.

    The rank must be that of the settings, or the last of a shorter list.

    Parameters
    ----------
    file : ListFile
        Its connection has `lists` and `list_facts`.
    """
    pinned = file.rules.pinned
    stray = file.value(
        """
        with pins as (select unnest($1::varchar[]) as item_id, unnest($2::integer[]) as pin_rank)
        select count(*)
        from lists
        inner join list_facts using (user_id)
        left join pins using (item_id)
        where lists.strategy = $3
            and lists.rank is distinct from least(pins.pin_rank, list_facts.list_length)
        """,
        *([pin.item_id for pin in pinned], [pin.rank for pin in pinned], PINNED),
    )
    return file.none_found("pins", stray, "rows pinned where the placement does not pin them")
