from __future__ import annotations

import shlex

from pipelines.base.config import load_settings
from pipelines.base.errors import AuditError, LandingError, QuarantineLimitError
from pipelines.notify.alert import Alert, command_here, describe_error


def test_a_text_has_the_facts_the_message_the_remedy_and_the_command():
    alert = Alert("k", "publish failed", "disk full", "Free space", "recsys run", {"Night": "n"})
    assert alert.text.splitlines() == [
        "publish failed",
        "Night: n",
        "Message: disk full",
        "What to do: Free space",
        "Command: recsys run",
    ]


def test_a_text_holds_no_control_characters_of_a_strangers_file():
    assert "\x1b" not in Alert("k", "s", "red \x1b[31m", "", "").text


def test_the_same_key_is_the_same_alert():
    one, same = Alert("k", "a", "", "", ""), Alert("k", "b", "", "", "")
    assert one.name == same.name != Alert("l", "a", "", "", "").name


def test_own_errors_are_quoted_without_addresses_and_logins():
    error = AuditError("Ask ann@example.com or postgresql://me:secret@host/db.")
    assert describe_error(error) == "AuditError: Ask <e-mail> or postgresql://…@host/db."
    assert describe_error(QuarantineLimitError("5 of 9")) == "QuarantineLimitError: 5 of 9"


def test_errors_that_may_quote_rows_are_named_and_not_quoted():
    for error in (LandingError("line 2: ann,42"), KeyError("user 17841"), ValueError("ann")):
        assert describe_error(error) == f"{type(error).__name__}; the log of the task says more"


def test_a_killed_process_is_said_as_one():
    assert describe_error(None).startswith("The process ended without an error of its own")


def test_a_command_names_home_and_settings_file(tmp_path):
    file = tmp_path / "my shop.toml"
    file.write_text("")
    words = shlex.split(command_here(load_settings(file, tmp_path / "home"), "unpin"))
    assert words == ["recsys", "unpin", "--home", f"{tmp_path}/home", "--config", str(file)]
