"""Who we are to gateways: one Ed25519 key, made once and kept 0600, and what it signs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

#: What `device.platform` and the signature say; constant, since another word needs a new approval at the gateway.
PLATFORM = "linux"


class DamagedIdentity(Exception):
    """The key file cannot be read. Never replaced by itself: every gateway would have to approve the new one."""


@dataclass(frozen=True)
class DeviceIdentity:
    """The key pair; `device_id` is the SHA-256 of the raw public key as hex."""

    private: Ed25519PrivateKey
    public: bytes
    device_id: str

    @staticmethod
    def of(private: Ed25519PrivateKey) -> DeviceIdentity:
        """From a key."""
        public = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return DeviceIdentity(private, public, hashlib.sha256(public).hexdigest())

    @staticmethod
    def load(path: Path) -> DeviceIdentity:
        """The identity of a file, which is made when there is none.

        The form is the reference's (`version`, `deviceId`, `publicKeyPem`, `privateKeyPem`, `createdAtMs`), so that a
        pairing survives the move. Raises `DamagedIdentity`.
        """
        for _ in range(2):
            try:
                return DeviceIdentity._read(path)
            except FileNotFoundError:
                DeviceIdentity._make(path)
        return DeviceIdentity._read(path)

    @staticmethod
    def _read(path: Path) -> DeviceIdentity:
        text = path.read_text()
        try:
            key = serialization.load_pem_private_key(json.loads(text)["privateKeyPem"].encode(), password=None)
        except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm) as error:
            raise DamagedIdentity(
                f"The device identity {path} is damaged. Restore it from a backup; or delete it, and approve the new "
                "device on every gateway."
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise DamagedIdentity(f"The device identity {path} is not an Ed25519 key.")
        return DeviceIdentity.of(key)

    @staticmethod
    def _make(path: Path) -> None:
        """Write a new key beside the place and link it there: of two processes one wins, and no half file is seen."""
        made = DeviceIdentity.of(Ed25519PrivateKey.generate())
        kept = {
            "version": 1, "deviceId": made.device_id,
            "publicKeyPem": made.private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode(),
            "privateKeyPem": made.private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(),
            "createdAtMs": int(time.time() * 1000),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(json.dumps(kept, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def device(
        self, *, client_id: str, mode: str, role: str, scopes: Sequence[str], token: str, nonce: str, signed_at: int,
        version: int,
    ) -> dict[str, object]:  # fmt: skip
        """The `device` object of a connect; `version` 3 signs the platform too, 2 does not."""
        parts = [f"v{version}", self.device_id, client_id, mode, role, ",".join(scopes), str(signed_at), token, nonce]
        if version >= 3:
            parts += [PLATFORM, ""]
        signature = self.private.sign("|".join(parts).encode())
        return {
            "id": self.device_id, "publicKey": _base64url(self.public), "signature": _base64url(signature),
            "signedAt": signed_at, "nonce": nonce,
        }  # fmt: skip


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
