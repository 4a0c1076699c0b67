"""API keys: hashed at rest, compared in constant time, never logged."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable

from pipelines.base.config import Settings
from pipelines.base.errors import RequestRefusedError, SettingsError

_HASH = re.compile(r"[0-9a-f]{64}")


def make_key() -> tuple[str, str]:
    """Make a random key, and the sha256 of it that the settings hold.

    Returns
    -------
    key : str
        256 random bits: a plain sha256 of it cannot be guessed back.
    key_hash : str
        Hex.
    """
    key = f"rk_{secrets.token_urlsafe(32)}"
    return key, hash_key(key.encode())


def hash_key(key: bytes) -> str:
    """Hex sha256 of a key."""
    return hashlib.sha256(key).hexdigest()


def read_key_hashes(settings: Settings) -> tuple[str, ...]:
    """Hashes of the accepted keys, from `serve.keys` and `serve.keys_file`.

    Raises
    ------
    SettingsError
        If the file cannot be read or a line does not begin with a hash.
    """
    path = settings.serve.keys_file
    if path is None:
        return settings.serve.keys
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"serve.keys_file must be a readable text file. Found {path}: {error}. "
            "Name another, or remove the setting."
        ) from error
    rows = [(number, line.split()) for number, line in enumerate(lines, 1)]
    words = [(number, row[0]) for number, row in rows if row and not row[0].startswith("#")]
    for number, word in words:
        if not _HASH.fullmatch(word):
            raise SettingsError(
                f"Every line of serve.keys_file must begin with the sha256 of a key in hex. "
                f"Found something else in line {number} of {path}. "
                "`recsys api-key` prints a key and its hash; the hash goes there."
            )
    return (*settings.serve.keys, *(word for _, word in words))


def check_reach(host: str, key_hashes: Iterable[str]) -> None:
    """Refuse to listen without keys where other machines can reach.

    Raises
    ------
    SettingsError
        If `host` is not a loopback address and there is no key.
    """
    if not tuple(key_hashes) and not is_loopback(host):
        raise SettingsError(
            f"An API that other machines can reach must have keys. Found none, and host {host!r}. "
            "Make one with `recsys api-key` and put its hash into serve.keys, or use "
            "--host 127.0.0.1."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class KeyRing:
    """The accepted keys.

    Parameters
    ----------
    key_hashes : iterable of str
        Hex sha256 of each; none means that everybody may ask.
    """

    def __init__(self, key_hashes: Iterable[str]) -> None:
        self._hashes = tuple(key_hashes)

    @property
    def is_open(self) -> bool:
        """Whether no key is needed."""
        return not self._hashes

    def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Name of the key a request carries: the beginning of its hash.

        Parameters
        ----------
        headers : iterable of (bytes, bytes)
            Names in lower case.

        Raises
        ------
        RequestRefusedError
            401 if there is no accepted key; it does not say whether one was given.

        Notes
        -----
        The hash of what was given is compared with every accepted hash, each in constant time,
        whichever of them matches.
        """
        given = hash_key(_given_key(headers))
        found = ""
        for known in self._hashes:
            if hmac.compare_digest(known, given):
                found = known[:12]
        if not found:
            raise RequestRefusedError(
                401,
                "A request must carry an accepted API key. This one does not. Send it as "
                "`Authorization: Bearer KEY` or `X-API-Key: KEY`.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return found


def _given_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Bytes of the key in the headers, empty if there is none."""
    key = b""
    for name, value in headers:
        if name == b"x-api-key":
            key = value.strip()
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            key = value[7:].strip()
    return key
