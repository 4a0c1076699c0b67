"""API keys: hashed at rest, compared in constant time, never logged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from pipelines.base.config import Settings, mask_secrets
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


def read_keys(settings: Settings) -> KeyRing:
    """The accepted keys, of `serve.keys` and `serve.keys_file`.

    Raises
    ------
    SettingsError
        If a file is named that cannot be read, holds no hash, or has a line that does not begin
        with one.
    """
    path = settings.serve.keys_file
    if path is None:
        return KeyRing(settings.serve.keys)
    hashes, bad_line = _read_hashes(path)
    if bad_line is not None:
        raise _no_hash(path, bad_line)
    if not hashes:
        raise SettingsError(
            f"serve.keys_file must hold the hash of a key, one a line. Found none in {path}. "
            "`recsys api-key` prints a key and its hash; the hash goes there."
        )
    return KeyRing(settings.serve.keys, path, hashes)


def _read_hashes(path: Path) -> tuple[tuple[str, ...], int | None]:
    """Hashes at the beginning of a file's lines, and the number of a line without one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"serve.keys_file must be a readable text file. Found {mask_secrets(str(path))}: "
            f"{mask_secrets(str(error))}. Name another, or remove the setting."
        ) from error
    rows = [(number, line.split()) for number, line in enumerate(lines, 1)]
    words = [(number, row[0]) for number, row in rows if row and not row[0].startswith("#")]
    bad_line = next((number for number, word in words if not _HASH.fullmatch(word)), None)
    return tuple(word for _, word in words if _HASH.fullmatch(word)), bad_line


def _no_hash(path: Path, line: int) -> SettingsError:
    return SettingsError(
        f"Every line of serve.keys_file must begin with the sha256 of a key in hex. "
        f"Found something else in line {line} of {path}. "
        "`recsys api-key` prints a key and its hash; the hash goes there."
    )


def check_reach(host: str, keys: KeyRing) -> None:
    """Refuse to listen without keys where other machines can reach.

    Raises
    ------
    SettingsError
        If `host` is not a loopback address and no key is needed.
    """
    if keys.is_open and not is_loopback(host):
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
    """The accepted keys. Those of a file are read again while the API runs.

    Parameters
    ----------
    key_hashes : iterable of str
        Hex sha256 of each key of the settings.
    path : Path, optional
        File of more hashes. Without it and without hashes, everybody may ask.
    file_hashes : tuple of str
        What the file held when it was read.
    """

    def __init__(
        self,
        key_hashes: Iterable[str] = (),
        path: Path | None = None,
        file_hashes: tuple[str, ...] = (),
    ) -> None:
        self._fixed = tuple(key_hashes)
        self._path = path
        self._hashes = (*self._fixed, *file_hashes)
        self.is_open = path is None and not self._fixed

    def refresh(self) -> None:
        """Read the file again: a key whose hash is gone from it is no longer accepted.

        A file that is empty now accepts nobody. While it cannot be read, the keys stay.

        Raises
        ------
        SettingsError
            If it cannot be read, or has a line that does not begin with a hash; the other lines
            count.
        """
        if self._path is None:
            return
        found, bad_line = _read_hashes(self._path)
        self._hashes = (*self._fixed, *found)
        if bad_line is not None:
            raise _no_hash(self._path, bad_line)

    def identify(self, headers: Iterable[tuple[bytes, bytes]], *, by_password: bool = False) -> str:
        """Name of the key a request carries: the beginning of its hash.

        Parameters
        ----------
        headers : iterable of (bytes, bytes)
            Names in lower case.
        by_password : bool
            Whether the key may be the password that a browser asks for. A browser then sends it
            whoever's page makes it ask, so only what changes and logs nothing may be had that way.

        Raises
        ------
        RequestRefusedError
            401 if there is no accepted key; it does not say whether one was given.

        Notes
        -----
        The hash of what was given is compared with every accepted hash, each in constant time,
        whichever of them matches.
        """
        key = _given_key(headers, by_password)
        given, found = hash_key(key), ""
        for known in self._hashes:
            if hmac.compare_digest(known, given):
                found = known[:12]
        if not found or not key:
            raise RequestRefusedError(
                401,
                "A request must carry an accepted API key. This one does not. Send it as "
                "`Authorization: Bearer KEY` or `X-API-Key: KEY`.",
                headers={"WWW-Authenticate": 'Basic realm="recsys"' if by_password else "Bearer"},
            )
        return found


def _given_key(headers: Iterable[tuple[bytes, bytes]], by_password: bool) -> bytes:
    """Bytes of the key in the headers, empty if there is none."""
    key = b""
    for name, value in headers:
        if name == b"x-api-key":
            key = value.strip()
        elif name == b"authorization" and value[:7].lower() == b"bearer ":
            key = value[7:].strip()
        elif by_password and name == b"authorization" and value[:6].lower() == b"basic ":
            key = _password(value[6:])
    return key


def _password(credentials: bytes) -> bytes:
    """The password of basic authentication; any name goes with it."""
    try:
        _, _, password = base64.b64decode(credentials, validate=True).partition(b":")
    except ValueError:
        return b""
    return password
