"""Delivery to real servers on loopback: those that take an alert, and those that do not."""

from __future__ import annotations

import base64
import sys
import time

import pytest

from pipelines.base.config import parse_settings
from pipelines.base.errors import SettingsError
from pipelines.notify import channels
from pipelines.notify.alert import Alert
from pipelines.notify.channels import STEPS, deliver
from pipelines.run.services import free_port
from tests.receivers import dead_receiver, mail_receiver, web_receiver

ALERT = Alert("k", "publish <failed>", "disk & quota", "Free space", "recsys run", {"Night": "n"})
RECIPIENTS = ["one@example.com", "two@example.com"]


def send(**notify):
    """Deliver on every channel; returns state and detail of each."""
    settings = parse_settings({"notify": {"timeout_seconds": 0.3, **notify}})
    found = deliver(settings, ALERT, settings.notify.channels)
    return {one.channel: (one.state, one.detail) for one in found}


def email(port, **more):
    chosen = {"host": "127.0.0.1", "port": port, "security": "none", "recipients": RECIPIENTS}
    return {"email": {**chosen, **more}}


def test_without_channels_nothing_is_sent():
    assert send() == {}
    assert parse_settings({"notify": {"email": {"host": "h"}}}).notify.channels == ()


def test_a_webhook_gets_the_text_as_slack_takes_it():
    with web_receiver() as web:
        assert send(webhook=web.url, timeout_seconds=5) == {"webhook": ("sent", "it answered 200")}
    ((method, path, kind, _),) = web.requests
    assert (method, path, kind) == ("POST", "/hook/secret-path", "application/json")
    assert web.texts[0].splitlines()[:3] == [
        "publish &lt;failed&gt;",
        "Night: n",
        "Message: disk &amp; quota",
    ]


def test_a_webhook_may_be_named_by_a_variable(monkeypatch):
    with web_receiver() as web:
        monkeypatch.setenv("HOOK", web.url)
        assert send(webhook="env:HOOK", timeout_seconds=5)["webhook"][0] == "sent"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_said_by_its_status_and_redirects_are_not_followed(status):
    with web_receiver(status) as web:
        found = send(webhook=web.url, timeout_seconds=5)
    assert found == {"webhook": ("failed", f"it answered {status}")}
    assert [method for method, *_ in web.requests] == ["POST"]


@pytest.mark.parametrize(
    ("webhook", "detail"),
    [
        ("env:UNSET", r"$UNSET must hold the address of a webhook"),
        ("hooks.example.com/secret", "its address must begin with https:// or http://"),
        ("file:///etc/passwd", "its address must begin with https:// or http://"),
        ("http://127.0.0.1:PORT/secret", "ConnectionRefusedError: Connection refused"),
        ("http://a secret/", "InvalidURL"),
    ],
)
def test_a_webhook_that_cannot_be_reached_is_said_without_its_address(webhook, detail):
    # not in the parameters: every process must name its tests alike
    address = webhook.replace("PORT", str(free_port()))
    ((state, found),) = send(webhook=address).values()
    assert state == "failed" and detail in found and "secret" not in found


def test_an_e_mail_has_subject_text_and_every_recipient():
    with mail_receiver() as mail:
        found = send(**email(mail.port, sender="recsys@example.com"), timeout_seconds=5)
    assert found == {"email": ("sent", "taken for 2 of 2 addresses")}
    (message,) = mail.messages
    assert message["Subject"] == "publish <failed>" and message["From"] == "recsys@example.com"
    assert message.get_content().splitlines() == ALERT.text.splitlines()
    assert mail.addressees == [RECIPIENTS]
    assert message["Date"] and message["Message-ID"].endswith("@example.com>")


def test_an_e_mail_goes_to_the_recipients_that_are_taken():
    with mail_receiver() as mail:
        mail.refused = "two@example.com"
        found = send(**email(mail.port), timeout_seconds=5)
    assert found == {"email": ("sent", "taken for 1 of 2 addresses")}


@pytest.mark.parametrize(
    ("password", "result"),
    [("right", "sent"), ("wrong", "failed")],
)
def test_a_password_comes_from_a_variable_and_is_never_said(monkeypatch, password, result):
    monkeypatch.setenv("SMTP_PASSWORD", password)
    asked = base64.b64encode(b"\0me\0right").decode()
    with mail_receiver(login=asked) as mail:
        found = send(**email(mail.port, user="me", password="env:SMTP_PASSWORD"), timeout_seconds=5)
    state, detail = found["email"]
    assert state == result and len(mail.messages) == (result == "sent")
    assert state == "sent" or detail == "SMTPAuthenticationError: it answered 535"


def test_a_server_without_starttls_gets_neither_password_nor_mail():
    with mail_receiver() as mail:
        found = send(**email(mail.port, security="starttls"), timeout_seconds=5)
    assert found["email"][0] == "failed" and not mail.messages


def test_a_command_gets_the_text_on_standard_input(tmp_path):
    file = tmp_path / "told"
    code = f"import sys; open({str(file)!r}, 'w').write(sys.stdin.read())"
    found = send(command=[sys.executable, "-c", code], timeout_seconds=20)
    assert found == {"command": ("sent", "it ended with exit code 0")}
    assert file.read_text() == ALERT.text


def test_a_command_that_fails_or_is_not_there_is_said():
    exits = send(command=[sys.executable, "-c", "raise SystemExit(3)"], timeout_seconds=20)
    assert exits == {"command": ("failed", "it ended with exit code 3")}
    assert send(command=["/no/such/program"])["command"][1].startswith("FileNotFoundError")


def test_dead_receivers_hold_up_nothing():
    with dead_receiver() as port:
        began = time.monotonic()
        found = send(webhook=f"http://127.0.0.1:{port}/", command=["sleep", "60"], **email(port))
        took = time.monotonic() - began
    states = {channel: state for channel, (state, _) in found.items()}
    # the mail server never said hello, so it has nothing; the others may have it
    assert states == {"webhook": "unknown", "command": "unknown", "email": "failed"}
    assert took < STEPS * 0.3 + 1


def test_a_mail_server_that_does_not_confirm_may_have_the_message():
    with mail_receiver() as mail:
        mail.is_silent = True
        found = send(**email(mail.port))
    assert found == {"email": ("unknown", "no answer within 0.3 s")}


def test_a_receiver_that_drips_is_not_waited_for(monkeypatch):
    with dead_receiver() as port:  # each step may take longer than all together
        monkeypatch.setattr(channels, "STEPS", 0.01)
        found = send(webhook=f"http://127.0.0.1:{port}/", timeout_seconds=10)
    assert found == {"webhook": ("unknown", "no answer within 0.1 s")}


def test_secrets_are_not_shown_by_settings_nor_by_what_is_wrong_with_them():
    settings = parse_settings({"notify": {"webhook": "https://secret"}})
    assert "https://secret" not in repr(settings)
    with pytest.raises(SettingsError, match="webook") as raised:
        parse_settings({"notify": {"webook": "https://secret"}})
    assert "https://secret" not in str(raised.value)
