"""What can go wrong with a gateway, as one typed error whose words say what the operator does next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any


class Kind(Enum):
    """What went wrong, whether trying again by itself can help, and what to do."""

    UNREACHABLE = ("unreachable", True)
    TLS = ("tls", False)
    AUTH = ("auth", False)
    SCOPE = ("scope", False)
    PAIRING = ("pairing", False)
    VERSION = ("version", False)
    BUSY = ("busy", True)
    TIMEOUT = ("timeout", True)
    PROTOCOL = ("protocol", True)
    #: It was taken, and is not there.
    LOST = ("lost", True)
    REJECTED = ("rejected", False)

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed later without anybody changing anything."""
        return self.value[1]


class GatewayError(Exception):
    """A call or a connection that failed.

    `code` and `details` are the gateway's own; `retry_after` is in seconds; `sent` is false when the gateway certainly
    has not seen the request.
    """

    def __init__(
        self, kind: Kind, message: str, *, code: str = "", details: Mapping[str, Any] | None = None,
        retry_after: float | None = None, sent: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(redact(message))
        self.kind, self.code, self.details = kind, code, dict(details or {})
        self.retry_after, self.sent = retry_after, sent

    @property
    def transient(self) -> bool:
        """Whether trying again by itself can help."""
        return self.kind.transient

    def says(self, *words: str) -> bool:
        """Whether the gateway's words contain one of these; for answers that have no code of their own."""
        text = str(self).lower()
        return any(word in text for word in words)


#: Our own tokens, and whatever follows `token=` or `Bearer`.
_SECRET = re.compile(r"(mc[pl]_[\w-]{4})[\w-]+|((?:token|password)=)[^&\s\"']+|(bearer\s+)[\w.~+/=-]{8,}", re.I)


def redact(text: str) -> str:
    """A text that may be shown: without tokens."""
    return _SECRET.sub(lambda found: next(part for part in found.groups() if part) + "***", text)


#: Codes of `details.code` by what they mean; found at the real gateway.
_AUTH = ("AUTH_", "DEVICE_AUTH_", "CONTROL_UI_")


def refused(error: Mapping[str, Any], *, device_id: str = "", connecting: bool = False) -> GatewayError:
    """The typed error of a gateway's `error` object."""
    code, message = str(error.get("code") or ""), str(error.get("message") or "The gateway gave no reason.")
    details = error.get("details") if isinstance(error.get("details"), Mapping) else {}
    assert isinstance(details, Mapping)
    detail = str(details.get("code") or "")
    wait = error.get("retryAfterMs")
    after = float(wait) / 1000 if isinstance(wait, int | float) else None

    def made(kind: Kind, text: str) -> GatewayError:
        return GatewayError(kind, text, code=detail or code, details=details, retry_after=after)

    if detail == "PAIRING_REQUIRED":
        request = str(details.get("requestId") or "")
        return made(
            Kind.PAIRING,
            f"The gateway wants to approve this device first. On its host run `openclaw devices approve {request}` "
            f"(device {str(details.get('deviceId') or device_id)[:16]}).",
        )
    if detail == "DEVICE_IDENTITY_REQUIRED" or code == "NOT_PAIRED":
        return made(Kind.AUTH, "The gateway wants a token: set the gateway's token to the one in its configuration "
                    "(`openclaw dashboard --json --no-open` on its host).")  # fmt: skip
    if detail == "PROTOCOL_MISMATCH":
        return made(
            Kind.VERSION,
            f"The gateway speaks another protocol than 3 or 4: update it with `openclaw update`. {message}",
        )
    missing = str(details.get("missingScope") or "") or next(iter(re.findall(r"missing scope: ([\w.]+)", message)), "")
    if missing:
        return made(
            Kind.SCOPE,
            f"The gateway grants this connection no `{missing}`. On its host run `openclaw devices list` and approve "
            "this device with the scopes it asks for.",
        )
    if detail.startswith(_AUTH) or (connecting and re.search(r"unauthorized|forbidden|token", message, re.I)):
        return made(
            Kind.AUTH,
            f"The gateway refuses the credentials ({detail or code}): {message} Set the gateway's token to the one in "
            "its configuration (`openclaw dashboard --json --no-open` on its host).",
        )
    if code == "UNAVAILABLE" or error.get("retryable") is True:
        return made(Kind.BUSY, message)
    return made(Kind.REJECTED, message)
