"""Frames of the gateway protocol, typed. What is unknown in an answer is kept out of the way, never an error."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from api.gateway.errors import GatewayError, Kind

ROLE = "operator"
SCOPES = ("operator.read", "operator.write", "operator.admin", "operator.approvals", "operator.pairing")
CLIENT_ID, CLIENT_MODE = "gateway-client", "backend"


class _Frame(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Response(_Frame):
    """The answer to a request; without `ok`, one without an `error` is good."""

    type: Literal["res"]
    id: str
    ok: bool | None = None
    payload: Any = None
    error: dict[str, Any] | None = None

    @property
    def good(self) -> bool:
        """Whether the call succeeded."""
        return self.ok if self.ok is not None else self.error is None


class Event(_Frame):
    """Something that happened; `seq` counts per connection, a gap means that events were dropped."""

    type: Literal["event"]
    event: str
    payload: Any = None
    seq: int | None = None


class _Server(_Frame):
    version: str | None = None
    bootId: str | None = None


class _Auth(_Frame):
    scopes: list[str] | None = None
    deviceToken: str | None = None


class _Policy(_Frame):
    maxPayload: int = 25 * 1024 * 1024
    tickIntervalMs: int = 30_000


class Hello(_Frame):
    """What a gateway says of itself when it lets us in."""

    protocol: int
    server: _Server = Field(default_factory=_Server)
    auth: _Auth = Field(default_factory=_Auth)
    policy: _Policy = Field(default_factory=_Policy)


_FRAME: TypeAdapter[Response | Event] = TypeAdapter(Response | Event)


def read(text: str | bytes) -> Response | Event:
    """A frame from the wire. Raises a `PROTOCOL` error for anything else."""
    try:
        return _FRAME.validate_python(json.loads(text))
    except (ValueError, ValidationError, RecursionError) as error:
        raise GatewayError(Kind.PROTOCOL, "The gateway sent something that is no frame.") from error


def request(number: str, method: str, params: dict[str, Any]) -> str:
    """A request frame."""
    return json.dumps({"type": "req", "id": number, "method": method, "params": params}, separators=(",", ":"))
