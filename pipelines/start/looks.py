"""What the values of a column look like: times, numbers, ids, titles or a few words."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipelines.events.values import YEAR_LAST, create_macros

#: Share of the values that must be of a kind for the column to be of it.
ENOUGH = 0.9
#: Most distinct values of a column of types or flags.
FEW = 40


@dataclass(frozen=True)
class Look:
    """What the first values of a column look like.

    Parameters
    ----------
    value_count, distinct_count : int
        Values that are not empty, and different ones among them.
    time_share, number_share : float
        Share of the values that read as times, and as numbers, also with a currency or a comma.
    low, high : float or None
        Of the numbers.
    example : str
        The first value.
    """

    value_count: int
    distinct_count: int
    time_share: float
    number_share: float
    low: float | None
    high: float | None
    example: str

    @property
    def is_time(self) -> bool:
        """Whether the values are times."""
        return self.value_count > 0 and self.time_share >= ENOUGH

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return self.value_count > 0 and self.number_share >= ENOUGH

    @property
    def is_few(self) -> bool:
        """Whether there are few values, often repeated, as of types and flags."""
        return 0 < self.distinct_count <= min(FEW, max(self.value_count // 2, 2))

    def in_words(self) -> str:
        """A few words for people.

        Examples
        --------
        >>> look_at(["4.5", "3.0", "4.5"]).in_words()
        'numbers from 3 to 4.5'
        """
        if not self.value_count:
            return "empty"
        if self.is_time:
            return f"times, as {self.example!r}"
        if self.is_number and self.low is not None:
            return f"numbers from {self.low:g} to {self.high:g}"
        return self.as_ids()

    def as_ids(self) -> str:
        """A few words on values that are texts, whatever they look like.

        Examples
        --------
        >>> look_at(["0123", "77"]).as_ids()
        "2 different values in 2, as '0123'"
        """
        kinds = f"{self.distinct_count:,} different values in {self.value_count:,}"
        return f"{kinds}, as {self.example[:30]!r}"


def look_at(values: list[str]) -> Look:
    """Look at values as the door of `land` reads them."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        create_macros(connection)
        count, distinct, times, numbers, low, high = connection.execute(
            """
            with given as (select unnest($values::varchar[]) as written),
            read as (
                select
                    written,
                    as_time(written, 'UTC') is not null
                        or regexp_matches(written, $year_last) as is_time,
                    coalesce(
                        as_pointed_number(without_currency(written)),
                        as_comma_number(without_currency(written))
                    ) as number
                from given
            )
            select
                count(*),
                count(distinct written),
                coalesce(avg(is_time::int), 0),
                coalesce(avg((number is not null)::int), 0),
                min(number),
                max(number)
            from read
            """,
            {"values": values, "year_last": YEAR_LAST},
        ).fetchall()[0]
    return Look(count, distinct, times, numbers, low, high, values[0] if values else "")
