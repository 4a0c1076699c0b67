from __future__ import annotations

import base64
import hashlib

import pytest

from pipelines.base.config import parse_settings
from pipelines.base.errors import RequestRefusedError, SettingsError
from pipelines.serve.http.auth import KeyRing, check_reach, is_loopback, make_key, read_keys


def test_a_key_is_accepted_in_either_header_and_named_by_its_hash():
    key, key_hash = make_key()
    ring = KeyRing([make_key()[1], key_hash])
    assert ring.identify([(b"x-api-key", key.encode())]) == key_hash[:12]
    assert ring.identify([(b"authorization", f"bearer {key}".encode())]) == key_hash[:12]


def test_a_key_is_a_password_only_where_a_browser_may_be_made_to_ask():
    key, key_hash = make_key()
    ring = KeyRing([key_hash])
    asked = [(b"authorization", b"Basic " + base64.b64encode(f"anna:{key}".encode()))]
    assert ring.identify(asked, by_password=True) == key_hash[:12]
    with pytest.raises(RequestRefusedError, match="accepted API key"):
        ring.identify(asked)
    for wrong in (b"Basic !", b"Basic YQ==", b"Basic " + base64.b64encode(b"anna:")):
        with pytest.raises(RequestRefusedError) as refusal:
            ring.identify([(b"authorization", wrong)], by_password=True)
        assert refusal.value.headers == {"WWW-Authenticate": 'Basic realm="recsys"'}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-api-key", b"rk_wrong")],
        [(b"x-api-key", b"")],
        [(b"authorization", b"Basic abc")],
        [(b"authorization", b"Bearer \xff\x00")],
    ],
)
def test_no_key_and_a_wrong_key_get_the_same_refusal(headers):
    with pytest.raises(RequestRefusedError, match="must carry an accepted API key") as refusal:
        KeyRing([make_key()[1]]).identify(headers)
    assert refusal.value.status == 401
    assert refusal.value.headers == {"WWW-Authenticate": "Bearer"}


def test_the_hash_itself_is_no_key():
    key_hash = make_key()[1]
    with pytest.raises(RequestRefusedError, match="accepted API key"):
        KeyRing([key_hash]).identify([(b"x-api-key", key_hash.encode())])


def test_a_made_key_is_long_and_its_hash_is_its_sha256():
    key, key_hash = make_key()
    assert len(key) >= 43
    assert hashlib.sha256(key.encode()).hexdigest() == key_hash


def carrying(key):
    return [(b"x-api-key", key.encode())]


def test_keys_come_from_the_settings_and_from_a_file_with_remarks(tmp_path):
    keys, (one, two, three) = zip(*(make_key() for _ in range(3)), strict=True)
    path = tmp_path / "keys"
    path.write_text(f"# shop\n{two} web shop\n\n{three}\n")
    settings = parse_settings({"serve": {"keys": [one], "keys_file": path}})
    ring = read_keys(settings)
    assert [ring.identify(carrying(key)) for key in keys] == [one[:12], two[:12], three[:12]]


def test_a_file_of_keys_that_is_not_one_is_refused(tmp_path):
    path = tmp_path / "keys"
    settings = parse_settings({"serve": {"keys_file": path}})
    with pytest.raises(SettingsError, match="serve.keys_file must be a readable text file"):
        read_keys(settings)
    path.write_text("my-secret-key\n")
    with pytest.raises(SettingsError, match="must begin with the sha256") as refusal:
        read_keys(settings)
    assert "my-secret-key" not in str(refusal.value)


@pytest.mark.parametrize("content", ["", "\n \n", "# all of them\n# are remarks\n"])
@pytest.mark.parametrize("fixed", [[], [make_key()[1]]])
def test_a_file_that_is_named_but_holds_no_key_is_refused(tmp_path, content, fixed):
    path = tmp_path / "keys"
    path.write_text(content)
    settings = parse_settings({"serve": {"keys_file": path, "keys": fixed}})
    with pytest.raises(SettingsError, match="serve.keys_file must hold the hash of a key"):
        read_keys(settings)


def is_accepted(ring, key):
    try:
        return bool(ring.identify(carrying(key)))
    except RequestRefusedError:
        return False


def test_a_key_is_revoked_with_its_line_and_the_last_one_opens_nothing(tmp_path):
    path = tmp_path / "keys"
    (one, one_hash), (two, two_hash), (three, three_hash) = (make_key() for _ in range(3))
    path.write_text(f"{one_hash}\n{two_hash}\n")
    ring = read_keys(parse_settings({"serve": {"keys_file": path, "keys": [three_hash]}}))
    path.write_text(f"{two_hash}\n")
    ring.refresh()
    assert [is_accepted(ring, key) for key in (one, two, three)] == [False, True, True]
    path.write_text(f"{one_hash}\nrevoked {two_hash}\n")
    with pytest.raises(SettingsError, match="something else in line 2"):
        ring.refresh()
    assert [is_accepted(ring, key) for key in (one, two, three)] == [True, False, True]
    path.unlink()
    with pytest.raises(SettingsError, match="must be a readable text file"):
        ring.refresh()
    assert is_accepted(ring, one)
    path.write_text("")
    ring.refresh()
    assert [is_accepted(ring, key) for key in (one, two, three, "")] == [False, False, True, False]
    assert not ring.is_open


def test_the_hash_of_nothing_accepts_nobody():
    ring = KeyRing([hashlib.sha256(b"").hexdigest()])
    with pytest.raises(RequestRefusedError, match="accepted API key"):
        ring.identify([])


def test_a_setting_that_is_a_key_instead_of_its_hash_is_refused():
    with pytest.raises(SettingsError, match=r"serve\.keys"):
        parse_settings({"serve": {"keys": ["rk_plain"]}})


KEY = make_key()[0]


@pytest.mark.parametrize(
    "values",
    [
        {"serve": {"keys": [KEY]}},
        {"serve": {"keys": KEY}},
        {"serve": {"key": "my own password"}},
        {"serve": {"burst": KEY}},
        {"serve": KEY},
    ],
)
def test_a_key_in_the_settings_is_not_printed(values):
    with pytest.raises(SettingsError) as refusal:
        parse_settings(values)
    assert KEY[3:] not in str(refusal.value) and "own password" not in str(refusal.value)


def test_a_key_in_the_place_of_its_file_is_not_printed():
    with pytest.raises(SettingsError, match="must be a readable text file") as refusal:
        read_keys(parse_settings({"serve": {"keys_file": KEY}}))
    assert KEY[3:] not in str(refusal.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "shop.example"])
def test_others_may_not_reach_an_api_without_keys(host):
    with pytest.raises(SettingsError, match="that other machines can reach must have keys"):
        check_reach(host, KeyRing())
    check_reach(host, KeyRing([make_key()[1]]))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_needs_no_keys(host):
    assert is_loopback(host)
    check_reach(host, KeyRing())
