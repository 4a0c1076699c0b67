from __future__ import annotations

import hashlib

import pytest

from pipelines.base.config import parse_settings
from pipelines.base.errors import RequestRefusedError, SettingsError
from pipelines.serve.http.auth import KeyRing, check_reach, is_loopback, make_key, read_key_hashes


def test_a_key_is_accepted_in_either_header_and_named_by_its_hash():
    key, key_hash = make_key()
    ring = KeyRing([make_key()[1], key_hash])
    assert ring.identify([(b"x-api-key", key.encode())]) == key_hash[:12]
    assert ring.identify([(b"authorization", f"bearer {key}".encode())]) == key_hash[:12]


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


def test_keys_come_from_the_settings_and_from_a_file_with_remarks(tmp_path):
    one, two, three = (make_key()[1] for _ in range(3))
    path = tmp_path / "keys"
    path.write_text(f"# shop\n{two} web shop\n\n{three}\n")
    settings = parse_settings({"serve": {"keys": [one], "keys_file": path}})
    assert read_key_hashes(settings) == (one, two, three)


def test_a_file_of_keys_that_is_not_one_is_refused(tmp_path):
    path = tmp_path / "keys"
    settings = parse_settings({"serve": {"keys_file": path}})
    with pytest.raises(SettingsError, match="serve.keys_file must be a readable text file"):
        read_key_hashes(settings)
    path.write_text("my-secret-key\n")
    with pytest.raises(SettingsError, match="must begin with the sha256") as refusal:
        read_key_hashes(settings)
    assert "my-secret-key" not in str(refusal.value)


def test_a_setting_that_is_a_key_instead_of_its_hash_is_refused():
    with pytest.raises(SettingsError, match=r"serve\.keys"):
        parse_settings({"serve": {"keys": ["rk_plain"]}})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "shop.example"])
def test_others_may_not_reach_an_api_without_keys(host):
    with pytest.raises(SettingsError, match="that other machines can reach must have keys"):
        check_reach(host, [])
    check_reach(host, [make_key()[1]])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_needs_no_keys(host):
    assert is_loopback(host)
    check_reach(host, [])
