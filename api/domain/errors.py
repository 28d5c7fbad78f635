"""What can go wrong, raised once here and spelled twice: GraphQL `extensions.code`, REST status and `detail`.

Every error has a stable code of `Code`, an HTTP-like status, a message for people and details for programs. Where the
wire contract fixes the shape of a REST `detail` (an object with its own keys), the raiser passes it as `detail`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any


class Code(Enum):
    """Every code a client can meet: `(HTTP-like status, what it means)`."""

    BAD_REQUEST = (400, "The request is not well formed for its protocol.")
    GRAPHQL_PARSE_FAILED = (400, "The GraphQL document has a syntax error.")
    GRAPHQL_VALIDATION_FAILED = (400, "The GraphQL document does not fit the schema.")
    UNACCEPTABLE_URL = (400, "The address is not one that may be used here.")
    BAD_USER_INPUT = (422, "A value is of the wrong type or outside what is allowed.")
    UNAUTHENTICATED = (401, "No credentials were sent, or they are unknown, expired or revoked.")
    FORBIDDEN = (403, "The caller is known but may not do this.")
    NOT_FOUND = (404, "There is no such thing in any organisation of the caller.")
    METHOD_NOT_ALLOWED = (405, "The HTTP method does not fit the operation.")
    NOT_ACCEPTABLE = (406, "No representation fits the Accept header.")
    CONFLICT = (409, "The present state does not allow this change.")
    TASK_BLOCKED = (409, "The task waits for other tasks that are not done.")
    PENDING_APPROVAL = (409, "A pending approval holds the task in its status.")
    REVIEW_REQUIRED = (409, "The board allows done only from review.")
    APPROVAL_REQUIRED = (409, "The board allows done only with an approved approval.")
    COMMENT_REQUIRED = (422, "The board asks for a comment with the move to review.")
    APPROVAL_CONFLICT = (409, "Another pending approval is linked to one of the tasks.")
    DEPENDENCY_CYCLE = (409, "The dependency would close a cycle.")
    AGENT_LIMIT_REACHED = (409, "The board has as many workers as it allows.")
    NAME_TAKEN = (409, "The name is in use.")
    IN_USE = (409, "Others need it, so it cannot go.")
    LAST_OWNER = (409, "The organisation would be left without an owner.")
    NOTHING_TO_CLAIM = (409, "There is no free task to claim.")
    IDEMPOTENCY_MISMATCH = (409, "The clientMutationId was used for another mutation.")
    CURSOR_EXPIRED = (410, "Retention has dropped the events after this cursor.")
    GONE = (410, "It exists, but is switched off.")
    BODY_TOO_LARGE = (413, "The request body is larger than allowed.")
    UNSUPPORTED_MEDIA_TYPE = (415, "The content type is not one this endpoint takes.")
    DEPTH_LIMIT = (400, "The query nests deeper than allowed.")
    TOKEN_LIMIT = (400, "The query has more tokens than allowed.")
    WIDTH_LIMIT = (400, "A selection of the query has more fields than allowed.")
    ALIAS_LIMIT = (400, "The query has more aliases than allowed.")
    NODE_LIMIT = (400, "The query could answer with more rows than allowed.")
    INTROSPECTION_LIMIT = (400, "The introspection nests lists deeper than allowed.")
    PAGE_LIMIT = (422, "The page asked for is larger than allowed.")
    OPERATION_LIMIT = (429, "The socket has as many operations under way as allowed.")
    INTROSPECTION_CLOSED = (403, "Introspection is closed to anonymous callers.")
    RATE_LIMITED = (429, "Too many failed attempts; wait and try again.")
    SLOW_SUBSCRIBER = (429, "The subscriber did not keep up; resume after the cursor in the details.")
    SUBSCRIPTION_ENDED = (403, "The right to this stream ended; the last cursor is in the details.")
    SHUTTING_DOWN = (503, "The server stops; resume after the cursor in the details.")
    UPSTREAM_FAILED = (502, "A service outside did not answer as it should.")
    GATEWAY_REQUIRED = (422, "This needs a gateway and the board has none.")
    GATEWAY_UNREACHABLE = (502, "The gateway does not answer; the message says why.")
    GATEWAY_AUTH_FAILED = (502, "The gateway refuses its token or this installation's device.")
    GATEWAY_SCOPE_MISSING = (502, "The gateway lets this installation in with fewer rights than it needs.")
    GATEWAY_PAIRING_REQUIRED = (502, "Somebody must approve this installation's device on the gateway's host.")
    GATEWAY_VERSION_UNSUPPORTED = (422, "The gateway is too old, or speaks another protocol.")
    GATEWAY_REFUSED = (502, "The gateway answered that it will not do it.")
    GATEWAY_IN_USE = (409, "Boards or agents live on the gateway.")
    UNAVAILABLE = (503, "A part that the request needs is away for the moment; try again.")
    INTERNAL = (500, "An unexpected error; the request id leads to it in the log.")

    @property
    def status(self) -> int:
        """The HTTP-like status of this code."""
        return self.value[0]


#: Codes after which the same request may succeed unchanged.
RETRYABLE = {
    Code.RATE_LIMITED, Code.UPSTREAM_FAILED, Code.GATEWAY_UNREACHABLE, Code.UNAVAILABLE, Code.SHUTTING_DOWN,
    Code.SLOW_SUBSCRIBER,
}  # fmt: skip

PHRASES = {
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
    422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable",
}  # fmt: skip


class DomainError(Exception):
    """An error a caller can act on.

    `details` goes to GraphQL's `extensions.details`; `detail` replaces the REST `detail` where the wire contract has an
    object or an array there, otherwise the message (or the status phrase) is sent.
    """

    code: Code = Code.INTERNAL

    def __init__(
        self, message: str | None = None, *, code: Code | None = None, detail: Any = None,
        retry_after: int | None = None, **details: Any,
    ) -> None:  # fmt: skip
        self.code = code or type(self).code
        self.message = message or PHRASES.get(self.code.status, self.code.value[1])
        super().__init__(self.message)
        self.details: Mapping[str, Any] = details
        self.detail = self.message if detail is None else detail
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """The HTTP status on REST."""
        return self.code.status


class Unauthenticated(DomainError):
    """401: nobody we know."""

    code = Code.UNAUTHENTICATED


class Forbidden(DomainError):
    """403: known, but not allowed."""

    code = Code.FORBIDDEN


class NotFound(DomainError):
    """404: not there, or in an organisation of others."""

    code = Code.NOT_FOUND


class Conflict(DomainError):
    """409: the state does not allow it."""

    code = Code.CONFLICT


class Invalid(DomainError):
    """422: a value that cannot be taken."""

    code = Code.BAD_USER_INPUT


def field_error(field: str, message: str, value: Any = None, kind: str = "value_error") -> Invalid:
    """An `Invalid` for one body field in the wire's array form; an empty `field` names the whole body."""
    loc = ["body", field] if field else ["body"]
    entry: dict[str, Any] = {"type": kind, "loc": loc, "msg": f"Value error, {message}", "input": value}
    entry["ctx"] = {"error": message}
    return Invalid(message, detail=[entry], field=field)
