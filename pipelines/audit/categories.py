"""The audit's rule on lists by category."""

from __future__ import annotations

from pipelines.audit.findings import Finding, ListFile
from pipelines.lists.list_rows import ANYONE
from pipelines.rules.shown_items import CATEGORY_SEPARATOR


def audit_categories(file: ListFile) -> Finding:
    """Check that a list for a category holds items of that category only.

    Parameters
    ----------
    file : ListFile
        The fallback's, with the category in `user_id`. Its connection has the view `lists` and
        the table `items`.
    """
    stray = file.value(
        """
        select count(*)
        from lists left join items using (item_id)
        where lists.user_id <> $1
            and not coalesce(
                list_contains(
                    list_transform(string_split(items.category, $2), lambda name: trim(name)),
                    lists.user_id
                ),
                false
            )
        """,
        *(ANYONE, CATEGORY_SEPARATOR),
    )
    return file.none_found("categories", stray, "rows of a list for a category it is not in")
