"""Secrets that must be shown again: encrypted at rest, found by a digest beside them.

The key is `MISSION_CONTROL_SECRET_KEY`, else a file of mode 0600 in the data folder. Values of a database that was
taken over stay readable as they are, until our own next write.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from api.domain.errors import Code, DomainError
from api.settings import Settings

PREFIX = "sealed:1:"


class SecretBox:
    """Seals and opens texts with the installation's key."""

    def __init__(self, settings: Settings) -> None:
        self._configured = settings.secret_key.get_secret_value()
        self._file: Path = settings.data / "secret-key"
        self._fernet: Fernet | None = None

    def seal(self, text: str) -> str:
        """The text as it is stored."""
        return PREFIX + self._key().encrypt(text.encode()).decode()

    def open(self, stored: str) -> str:
        """The text again; what was never sealed is returned as it is. Raises `UNAVAILABLE` under another key."""
        if not stored.startswith(PREFIX):
            return stored
        try:
            return self._key().decrypt(stored.removeprefix(PREFIX).encode()).decode()
        except InvalidToken:
            raise DomainError(
                "A stored secret was sealed with another key; set MISSION_CONTROL_SECRET_KEY to the former one.",
                code=Code.UNAVAILABLE,
            ) from None

    def shown(self, stored: str) -> str:
        """The text for a list, where one that cannot be opened must not hide the others: empty then."""
        try:
            return self.open(stored)
        except DomainError:
            return ""

    def _key(self) -> Fernet:
        if self._fernet is None:
            secret = self._configured or self._from_file()
            self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()))
        return self._fernet

    def _from_file(self) -> str:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if not self._file.exists():
            # Written whole beside it and linked into place: nobody ever reads half a key, and the first one stays.
            descriptor, fresh = tempfile.mkstemp(dir=self._file.parent, prefix="secret-key-")
            with os.fdopen(descriptor, "w") as file:
                file.write(Fernet.generate_key().decode())
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(fresh, self._file)
            Path(fresh).unlink()
        secret = self._file.read_text().strip()
        if not secret:
            raise DomainError(f"{self._file} is empty; restore it, or remove it to have a new key made.",
                              code=Code.UNAVAILABLE)  # fmt: skip
        return secret
