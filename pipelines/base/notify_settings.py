"""Settings of what tells people and their monitoring how nights go."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from pipelines.base.settings_sections import Section


class EmailSettings(Section):
    """Where alerts go by e-mail: a server that takes mail, and who gets it."""

    host: str | None = None
    """Name of the SMTP server; unset, no e-mail is sent."""
    port: int = Field(587, ge=1, le=65_535)
    """Its port: usually 587 with `starttls`, 465 with `tls`, 25 with `none`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is encrypted."""
    user: str | None = None
    """Who logs in; unset, nobody does."""
    password: SecretStr | None = None
    """The password, better ``env:NAME`` than here."""
    sender: str = "recsys@localhost"
    """Address in From."""
    recipients: tuple[str, ...] = ()
    """Addresses that get every alert; empty, no e-mail is sent."""


class NotifySettings(Section):
    """Who is told when a night fails, lists grow old or a metric drops, and from when on."""

    webhook: SecretStr | None = None
    """Address that gets ``{"text": …}`` by POST, as Slack takes it; better ``env:NAME``."""
    command: tuple[str, ...] = ()
    """Program and arguments that get an alert's text on standard input; empty, none is run."""
    email: EmailSettings = EmailSettings()
    """E-mail to people."""
    timeout_seconds: float = Field(5.0, gt=0, le=60)
    """How long a receiver may take for each step of taking an alert; in all, three times that."""
    publish_by: time | None = None
    """Time of the day, UTC, by which that day's night must be published; unset, at any time."""
    ndcg_drop_share: float | None = Field(0.2, gt=0, lt=1)
    """How far the champion's NDCG may be below the mean of the nights before, as a share of it."""
    ctr_drop_share: float | None = Field(0.3, gt=0, lt=1)
    """How far a day's clicks per impression may be below the mean of the days before."""
    conversion_drop_share: float | None = Field(0.3, gt=0, lt=1)
    """How far a day's purchases per answer may be below the mean of the days before."""
    baseline_count: int = Field(7, ge=1, le=366)
    """Nights, and days, before that a mean is taken of; as many as there are, if fewer."""
    min_impressions: int = Field(1000, ge=1)
    """A day with fewer impressions (or answers) is not compared."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels that are set."""
        is_set = {
            "webhook": self.webhook is not None,
            "email": self.email.host is not None and bool(self.email.recipients),
            "command": bool(self.command),
        }
        return tuple(name for name, on in is_set.items() if on)


class PrometheusSettings(Section):
    """Where the figures of the newest night go for Prometheus."""

    textfile: Path | None = None
    """File for node_exporter's textfile collector, ``….prom``; unset, none is written."""
    pushgateway: str | None = None
    """Address of a Pushgateway, or ``env:NAME``; unset, nothing is pushed."""
    job: str = "recsys"
    """Name of the job at the Pushgateway."""
    timeout_seconds: float = Field(5.0, gt=0, le=60)
    """How long the Pushgateway may take."""
