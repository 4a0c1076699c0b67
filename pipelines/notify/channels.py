"""Deliver an alert by webhook, e-mail and command; no receiver can hold up who calls."""

from __future__ import annotations

import contextlib
import html
import json
import os
import signal
import smtplib
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Literal

from pipelines.base.config import Settings, named_value
from pipelines.base.errors import NotifyError, PipelineError
from pipelines.base.notify_settings import NotifySettings
from pipelines.notify.alert import Alert

#: Steps of a delivery, such as to connect, to log in and to send, that may each take the timeout.
STEPS = 3


@dataclass(frozen=True)
class Delivery:
    """What became of an alert on one channel.

    Parameters
    ----------
    channel : str
    state : {"sent", "failed", "unknown"}
        ``failed`` if the receiver surely has not got it; ``unknown`` if it may have.
    detail : str
        In words, without addresses and secrets.
    """

    channel: str
    state: Literal["sent", "failed", "unknown"]
    detail: str


def deliver(settings: Settings, alert: Alert, channels: Iterable[str]) -> list[Delivery]:
    """Send an alert on some channels at the same time; never raises for what a receiver does.

    Returns
    -------
    list of Delivery
        One per channel, after `STEPS` times `notify.timeout_seconds` at the latest.
    """
    found: dict[str, Delivery] = {}

    def send(channel: str) -> None:
        found[channel] = _send(settings.notify, alert, channel)

    # Daemons: a name server or a receiver that hangs must not keep the process alive either.
    threads = {name: threading.Thread(target=send, args=(name,), daemon=True) for name in channels}
    for thread in threads.values():
        thread.start()
    bound = STEPS * settings.notify.timeout_seconds
    end = time.monotonic() + bound
    for thread in threads.values():
        thread.join(max(0.0, end - time.monotonic()))
    late = f"no answer within {bound:g} s"
    return [found.get(name) or Delivery(name, "unknown", late) for name in threads]


def _send(notify: NotifySettings, alert: Alert, channel: str) -> Delivery:
    sender: Callable[[NotifySettings, Alert], str] = {
        "webhook": _post,
        "email": _mail,
        "command": _run,
    }[channel]
    try:
        return Delivery(channel, "sent", sender(notify, alert))
    except (TimeoutError, ConnectionResetError):  # it was sent, and may have been taken
        return Delivery(channel, "unknown", f"no answer within {notify.timeout_seconds:g} s")
    except Exception as error:  # noqa: BLE001 - whatever a receiver does, the night goes on
        return Delivery(channel, "failed", _plain(error))


def _plain(error: Exception) -> str:
    """An error without the address or the password that its own text may hold."""
    if isinstance(error, urllib.error.HTTPError):
        return f"it answered {error.code}"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__}: it answered {error.smtp_code}"
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        error = error.reason
    if isinstance(error, PipelineError):
        return str(error)
    said = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


# webhook


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuse redirects: a POST would become a GET, and the alert be lost."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def _post(notify: NotifySettings, alert: Alert) -> str:
    address = named_value(
        notify.webhook.get_secret_value() if notify.webhook else "",
        "the address of a webhook",
        "https://HOST/PATH",
    )
    if not address.startswith(("https://", "http://")):
        raise NotifyError("its address must begin with https:// or http://")
    text = html.escape(alert.text, quote=False)  # the three signs that Slack reads as markup
    request = urllib.request.Request(
        address,
        json.dumps({"text": text}).encode(),
        {"Content-Type": "application/json", "User-Agent": "recsys"},
    )
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(request, timeout=notify.timeout_seconds) as answer:
        return f"it answered {answer.status}"


# e-mail


def _mail(notify: NotifySettings, alert: Alert) -> str:
    email = notify.email
    message = EmailMessage()
    message["Subject"] = alert.subject
    message["From"] = email.sender
    message["To"] = ", ".join(email.recipients)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=email.sender.rpartition("@")[2])
    message.set_content(alert.text)
    with _connect(notify) as server:
        if email.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if email.user is not None:
            password = email.password.get_secret_value() if email.password else ""
            server.login(email.user, named_value(password, "the password of the mail", "SECRET"))
        try:
            refused = server.send_message(message)
        except smtplib.SMTPServerDisconnected:  # perhaps after it had taken the message
            raise TimeoutError from None
    return f"taken for {len(email.recipients) - len(refused)} of {len(email.recipients)} addresses"


def _connect(notify: NotifySettings) -> smtplib.SMTP:
    email, seconds = notify.email, notify.timeout_seconds
    host = email.host or ""
    if email.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, email.port, timeout=seconds, context=context)
    return smtplib.SMTP(host, email.port, timeout=seconds)


# command


def _run(notify: NotifySettings, alert: Alert) -> str:
    process = subprocess.Popen(
        notify.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.communicate(alert.text.encode(), timeout=notify.timeout_seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also what it started itself
        process.wait()
        raise TimeoutError from None
    if process.returncode:
        raise NotifyError(f"it ended with exit code {process.returncode}")
    return "it ended with exit code 0"
