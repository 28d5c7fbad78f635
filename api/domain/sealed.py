"""Secrets that must be shown again: encrypted at rest, found by a digest beside them.

The key is `MISSION_CONTROL_SECRET_KEY`, else a file of mode 0600 in the data folder. Values of a database that was
taken over stay readable as they are, until our own next write.
"""

from __future__ import annotations

import base64
import hashlib
import os
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

    def _key(self) -> Fernet:
        if self._fernet is None:
            secret = self._configured or self._from_file()
            self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()))
        return self._fernet

    def _from_file(self) -> str:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self._file.read_text().strip()
        with os.fdopen(descriptor, "w") as file:
            file.write(Fernet.generate_key().decode())
        return self._file.read_text().strip()
