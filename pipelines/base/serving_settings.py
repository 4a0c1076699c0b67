"""Settings of how lists are published and served: publications, a copy in Postgres, the API."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from pipelines.base.settings_sections import Section


class PostgresSettings(Section):
    """A copy of the live lists in a Postgres table, for services that read Postgres."""

    dsn_variable: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable with the address, ``postgresql://…``; unset, nothing is copied."""
    schema_name: str = Field("recsys", pattern=r"^[a-z_][a-z0-9_]{0,44}$")
    """Schema of the tables; made if it is not there."""
    table_name: str = Field("recommendations", pattern=r"^[a-z_][a-z0-9_]{0,44}$")
    """Table of the lists; ``<name>_publication`` beside it says which they are."""
    connect_timeout_seconds: int = Field(10, ge=2, le=600)
    """How long the server may take to answer."""
    lock_timeout_seconds: int = Field(10, ge=1, le=3600)
    """How long to wait for another process's lock on the table or its rows; readers hold none."""


class PublishSettings(Section):
    """How many publications are kept, and whether the live one is copied to Postgres."""

    keep: int = Field(3, ge=1)
    """Publications kept; the current and a pinned one are never deleted."""
    postgres: PostgresSettings = PostgresSettings()
    """Optional: the live lists as a table in Postgres."""


class ConsoleSettings(Section):
    """The pages for people that the API serves under `/console`."""

    enabled: bool = True
    """Whether there are pages."""
    people: bool = True
    """Whether there are pages of persons, with what they did and what they are shown."""


class ServeSettings(Section):
    """The API: access keys, rate limits, exploration, and when lists count as old."""

    keys: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    """sha256 of each API key, in hex; `recsys api-key` makes one. Empty: loopback only, open."""
    keys_file: Path | None = None
    """File of more such hashes, one a line, then a remark; else ``$RECSYS_API_KEYS_FILE``."""
    requests_per_second: float = Field(500.0, gt=0)
    """Mean rate of requests allowed per key (without keys: per client address)."""
    burst: int = Field(1000, ge=1)
    """Requests a key or address may make at once after a pause."""
    max_clients: int = Field(10_000, ge=1)
    """Keys and addresses whose rates are remembered."""
    max_connections: int = Field(1000, ge=16)
    """Connections of a process, at most; fewer where it may not have so many files open."""
    max_connections_per_address: int = Field(500, ge=8)
    """Connections from one address, at most; where more come, one that waits is closed."""
    max_head_bytes: int = Field(65_536, ge=8192)
    """Bytes of a request's path and headers, at most."""
    head_seconds: float = Field(10.0, gt=0)
    """Seconds in which path and headers must have come."""
    idle_seconds: float = Field(60.0, gt=0)
    """Seconds in which a request must be whole and answered, and in which the next must begin."""
    stale_hours: float = Field(30.0, gt=0)
    """Hours since the end of the days that the lists know from which answers say they are stale."""
    alarm_hours: float = Field(54.0, gt=0)
    """The same from which answers say that somebody must look."""
    poll_seconds: float = Field(2.0, gt=0, le=60)
    """Seconds between two looks at the pointers to the live publication."""
    recent_seconds: float = Field(1.0, gt=0, le=60)
    """Seconds between two looks at the logs of other workers and instances."""
    clock_file: str | None = None
    """File below the home with the time the API takes for now; for simulations only."""
    recent_days: int = Field(30, ge=2, le=366)
    """Most days of recent events held in memory, however old the live publication is."""
    recent_megabytes: int = Field(500, ge=1)
    """Megabytes of recent events held in memory, at most; then those of the oldest day go."""
    explore_share: Mapping[str, Annotated[float, Field(ge=0, le=0.05)]] = Field(
        default_factory=dict
    )
    """By placement: share of requests in which one of the first items swaps with a lower one."""
    explore_depth: int = Field(3, ge=1, le=50)
    """Number of first places that may be swapped, with places up to `2 * explore_depth`."""
