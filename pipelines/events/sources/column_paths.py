"""Paths from a record to a value, as a mapping writes them: `ecommerce.id`, `items[].item_id`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.base.errors import LandingError


@dataclass(frozen=True)
class ColumnPath:
    """A path, and what it means.

    Parameters
    ----------
    text : str
        As it is written.
    unnested : tuple of str
        Keys to the list whose elements become rows; empty if there is none.
    keys : tuple of str
        Keys to the value, from the element, else from the record.
    """

    text: str
    unnested: tuple[str, ...]
    keys: tuple[str, ...]


def parse_paths(texts: Iterable[str]) -> list[ColumnPath]:
    """Parse paths, each once.

    Raises
    ------
    LandingError
        If a path unnests twice, or two paths unnest two lists.

    Examples
    --------
    >>> parse_paths(["items[].item.id"])[0].unnested
    ('items',)
    >>> parse_paths(["items[].item.id"])[0].keys
    ('item', 'id')
    """
    paths = []
    for text in dict.fromkeys(texts):
        before, mark, after = text.partition("[]")
        if "[]" in after or (mark and not (before and after.startswith(".") and after[1:])):
            raise LandingError(
                "A path may unnest one list, whose elements have keys: items[].item_id. "
                f"Got {text!r}. Correct --map."
            )
        keys = tuple((after[1:] if mark else text).split("."))
        paths.append(ColumnPath(text, tuple(before.split(".")) if mark else (), keys))
    lists = sorted({path.unnested for path in paths if path.unnested})
    if len(lists) > 1:
        raise LandingError(
            "One list of a record may be unnested into rows. Got "
            f"{' and '.join('.'.join(keys) + '[]' for keys in lists)}. Land the file once for each."
        )
    return paths
