"""An alert: what happened, in which night and task, and the command that mends it."""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import asdict, dataclass, field
from typing import Any

from pipelines.base.config import Settings, mask_secrets
from pipelines.base.errors import FeatureBuildError, LandingError, PipelineError
from pipelines.base.ids import printable

#: Longest message of an error that is sent on.
MAX_MESSAGE = 1500
#: Errors whose messages may quote rows of the data.
QUOTES_ROWS = (LandingError, FeatureBuildError)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


@dataclass(frozen=True)
class Alert:
    """Something that people must know.

    Parameters
    ----------
    key : str
        Identity of what happened: an alert with a key that was sent before is not sent again.
    subject : str
        One line.
    message : str
        What was found.
    remedy : str
        What to do.
    command : str
        The command that mends it, or that shows what to decide.
    facts : dict of str to str
        Night, task and such, in order.
    """

    key: str
    subject: str
    message: str
    remedy: str
    command: str
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Stem of the alert's file: the same for the same key."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The alert as people read it.

        Examples
        --------
        >>> print(Alert("k", "publish failed", "disk full", "Free space", "recsys run").text)
        publish failed
        Message: disk full
        What to do: Free space
        Command: recsys run
        """
        told = {"Message": self.message, "What to do": self.remedy, "Command": self.command}
        lines = [f"{name}: {words}" for name, words in {**self.facts, **told}.items() if words]
        return printable("\n".join([self.subject, *lines]))

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as the alert's file holds them."""
        return asdict(self)


def describe_error(error: BaseException | str | None) -> str:
    """What an alert may say of an error: nothing that could name a person or a secret.

    Our own errors speak of settings, days and counts and are quoted, except those that may quote
    rows of the data; of others only the kind is said, as a library may quote any value.

    Examples
    --------
    >>> from pipelines.base.errors import AuditError
    >>> describe_error(AuditError("Lists must be whole. Ask ann@example.com."))
    'AuditError: Lists must be whole. Ask <e-mail>.'
    >>> describe_error(KeyError("ann"))
    'KeyError; the log of the task says more'
    """
    if error is None or isinstance(error, str):
        return "The process ended without an error of its own; the log of the task says more"
    kind = type(error).__name__
    if not isinstance(error, PipelineError) or isinstance(error, QUOTES_ROWS):
        return f"{kind}; the log of the task says more"
    text = _EMAIL.sub("<e-mail>", mask_secrets(str(error)))
    return f"{kind}: {text[:MAX_MESSAGE]}"


def command_here(settings: Settings, *words: str) -> str:
    """A `recsys` command for this home and settings file, as a shell takes it."""
    place = ["--home", str(settings.home)]
    if settings.file is not None:
        place += ["--config", str(settings.file)]
    return shlex.join(["recsys", *words, *place])
