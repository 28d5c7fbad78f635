"""Secrets that programs carry: how they are made, stored and found again.

An agent's token is 256 random bits and is found by its SHA-256 digest. The reference's slow hashes
(`pbkdf2_sha256$…`) are still verified once and then replaced by the digest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path

#: Personal tokens say what they are, so that a lookup goes to the right table and scanners can find leaked ones.
PERSONAL_PREFIX = "mcp_"


def mint(prefix: str = "") -> str:
    """A new secret: 32 random bytes, URL-safe base64 without padding (43 characters)."""
    return prefix + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """The SHA-256 of a token in hex, the form in which it is stored and looked up."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def verifies_legacy(token: str, stored: str) -> bool:
    """Whether `token` matches a stored `pbkdf2_sha256$<iterations>$<salt>$<digest>`; unreadable hashes never do."""
    parts = stored.split("$")
    if len(parts) != 4 or parts[0] != "pbkdf2_sha256" or not parts[1].isdigit() or not 0 < int(parts[1]) <= 10_000_000:
        return False
    try:
        salt, expected = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts[2:])
    except (ValueError, binascii.Error):
        return False
    found = hashlib.pbkdf2_hmac("sha256", token.encode("utf-8", "surrogatepass"), salt, int(parts[1]))
    return hmac.compare_digest(found, expected)


class LocalToken:
    """The shared secret of local mode: from the environment, else a 0600 file in the data folder."""

    def __init__(self, configured: str, folder: Path) -> None:
        self._configured = configured
        self._file = folder / "local-token"
        self._stamp: tuple[int, int] | None = None
        self._value = configured

    @property
    def configured(self) -> bool:
        """Whether the environment fixes the token."""
        return bool(self._configured)

    def ensure(self) -> bool:
        """Make the token if there is none yet; returns whether it was made now."""
        if self._configured or self._file.exists():
            return False
        self.rotate()
        return True

    def rotate(self) -> str:
        """Replace the token; the old one ends at once in every process that shares the data folder."""
        token = "mcl_" + secrets.token_urlsafe(45)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token)
        fresh.replace(self._file)
        return token

    @property
    def value(self) -> str:
        """The present token; empty when there is none."""
        if self._configured:
            return self._configured
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            return ""
        if (stamp := (stat.st_mtime_ns, stat.st_ino)) != self._stamp:
            self._value, self._stamp = self._file.read_text().strip(), stamp
        return self._value

    def matches(self, token: str) -> bool:
        """Constant-time comparison as bytes."""
        value = self.value
        return bool(value) and hmac.compare_digest(token.encode("utf-8", "surrogatepass"), value.encode())
