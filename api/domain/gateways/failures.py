"""A gateway's errors as ours."""

from __future__ import annotations

from typing import Any

from api.domain.errors import Code, DomainError
from api.gateway.errors import GatewayError, Kind

#: How the kinds of a gateway's errors are spelled for our own callers.
CODES = {
    Kind.UNREACHABLE: Code.GATEWAY_UNREACHABLE, Kind.TLS: Code.GATEWAY_UNREACHABLE, Kind.AUTH: Code.GATEWAY_AUTH_FAILED,
    Kind.SCOPE: Code.GATEWAY_SCOPE_MISSING, Kind.PAIRING: Code.GATEWAY_PAIRING_REQUIRED,
    Kind.VERSION: Code.GATEWAY_VERSION_UNSUPPORTED, Kind.BUSY: Code.GATEWAY_UNREACHABLE,
    Kind.TIMEOUT: Code.GATEWAY_UNREACHABLE, Kind.PROTOCOL: Code.GATEWAY_UNREACHABLE,
    Kind.LOST: Code.GATEWAY_REFUSED, Kind.REJECTED: Code.GATEWAY_REFUSED,
}  # fmt: skip


def as_domain(error: GatewayError) -> DomainError:
    """A gateway's error as ours."""
    details: dict[str, Any] = {"gateway_code": error.code} if error.code else {}
    if error.kind is Kind.PAIRING:
        details = {**details, "device_id": error.details.get("deviceId"), "request_id": error.details.get("requestId")}
    return DomainError(str(error), code=CODES[error.kind], **details)
