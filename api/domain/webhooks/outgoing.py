"""Webhooks out: addresses that are told what people must see. Written with the change, sent and retried by jobs.

Signed in the Standard Webhooks form: `webhook-id`, `webhook-timestamp`, and `webhook-signature` with
`v1,base64(HMAC-SHA256(secret, "{id}.{timestamp}.{body}"))`. Receivers tell repetitions by the id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from sqlalchemy import select

from api.domain import access, outside
from api.domain.boards.tables import Board
from api.domain.context import Context, Services
from api.domain.errors import Invalid, NotFound, field_error
from api.domain.events.tables import Event
from api.domain.jobs import Job
from api.domain.paging import Listing, Order
from api.domain.webhooks.tables import NotificationEndpoint

KIND = "notify"
#: What an endpoint may hear of, and the kinds of events that mean it.
TOPICS: dict[str, tuple[str, ...]] = {
    "approval_requested": ("approval.requested",),
    "question_asked": ("board.question_asked",),
    "task_stalled": ("task.stalled",),
    "work_failed": ("job.failed",),
    "test": ("webhook.test",),
}
_TOPIC = {kind: topic for topic, kinds in TOPICS.items() for kind in kinds}


def listing(ctx: Context, *organization_ids: UUID) -> Listing:
    """The endpoints of organisations (default: the active one), newest first; administrators only."""
    ids = [access.administrator(ctx.actor, wanted).organization_id for wanted in organization_ids or (None,)]
    order = (Order(NotificationEndpoint.created_at, descending=True),)
    where = (NotificationEndpoint.organization_id.in_(ids),)
    return Listing(NotificationEndpoint, order, where, NotificationEndpoint.organization_id)


async def create(ctx: Context, draft: Mapping[str, Any]) -> tuple[NotificationEndpoint, str]:
    """Register an address; its secret is answered this once. Administrators only."""
    member = access.administrator(ctx.actor, draft.get("organization_id"))
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    async with ctx.write():
        board_id = draft.get("board_id")
        board = select(Board.id).where(Board.id == board_id, Board.organization_id == member.organization_id)
        if board_id is not None and await ctx.one(board) is None:
            raise NotFound()
        moment = ctx.now()
        row = NotificationEndpoint(
            id=uuid4(), organization_id=member.organization_id, board_id=board_id, url=_url(draft["url"]),
            description=draft.get("description") or "", topics=_topics(draft.get("topics")), enabled=True,
            secret=ctx.services.secrets.seal(secret), created_at=moment, updated_at=moment,
        )  # fmt: skip
        ctx.add(row)
        ctx.emit("webhook.endpoint_created", subject_id=row.id, organization_id=row.organization_id)
    return row, secret


async def update(ctx: Context, endpoint_id: UUID, change: Mapping[str, Any]) -> NotificationEndpoint:
    """Change what was given; administrators only."""
    async with ctx.write():
        row = await _locked(ctx, endpoint_id)
        if "url" in change:
            row.url = _url(change["url"])
        if "topics" in change:
            row.topics = _topics(change["topics"])
        if change.get("description") is not None:
            row.description = change["description"]
        if change.get("enabled") is not None:
            row.enabled = change["enabled"]
        row.updated_at = ctx.now()
        ctx.emit("webhook.endpoint_updated", subject_id=row.id, organization_id=row.organization_id)
    return row


async def remove(ctx: Context, endpoint_id: UUID) -> None:
    """Take an address away; what waits for it is dropped. Administrators only."""
    async with ctx.write():
        row = await _locked(ctx, endpoint_id)
        ctx.emit("webhook.endpoint_deleted", subject_id=row.id, organization_id=row.organization_id)
        await ctx.session.delete(row)


async def test(ctx: Context, endpoint_id: UUID) -> NotificationEndpoint:
    """Send a test message; administrators only."""
    async with ctx.write():
        row = await _locked(ctx, endpoint_id)
        ctx.add(_job(row, _body("webhook.test", ctx.now().isoformat() + "Z", {"endpoint_id": str(row.id)}), ctx))
    return row


async def _locked(ctx: Context, endpoint_id: UUID) -> NotificationEndpoint:
    access.signed_in(ctx.actor)
    row: NotificationEndpoint | None = await ctx.one(
        select(NotificationEndpoint).where(NotificationEndpoint.id == endpoint_id).with_for_update()
    )
    if row is None or not access.sees_organization(ctx.actor, row.organization_id):
        raise NotFound()
    access.administrator(ctx.actor, row.organization_id)
    return row


def _url(value: str | None) -> str:
    try:
        parts = urlsplit((value or "").strip())
    except ValueError:
        raise field_error("url", "url is not a URL", value) from None
    if (
        value is None
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.username
        or len(value) > 2000
    ):
        raise field_error("url", "url must be an http or https URL without credentials", value)
    return value.strip()


def _topics(values: Sequence[str] | None) -> list[str]:
    wanted = list(dict.fromkeys(values or [topic for topic in TOPICS if topic != "test"]))
    unknown = [topic for topic in wanted if topic not in TOPICS]
    if unknown:
        raise Invalid(f"Unknown topic {unknown[0]!r}; known are {', '.join(TOPICS)}.")
    return wanted


# -- writing and sending ---------------------------------------------------------------------------------------------


async def notify(ctx: Context, events: Sequence[Event]) -> None:
    """Write a job for each endpoint that wants to hear of these events, in the transaction that causes them."""
    heard = [event for event in events if event.kind in _TOPIC and event.organization_id is not None]
    if not heard:
        return
    organizations = {event.organization_id for event in heard}
    endpoints = await ctx.all(
        select(NotificationEndpoint).where(
            NotificationEndpoint.organization_id.in_(organizations), NotificationEndpoint.enabled.is_(True)
        )
    )
    for event in heard:
        for endpoint in endpoints:
            here = endpoint.organization_id == event.organization_id and endpoint.board_id in (None, event.board_id)
            if here and _TOPIC[event.kind] in endpoint.topics:
                names = ("subject_id", "board_id", "task_id", "organization_id")
                data = {name: str(getattr(event, name)) for name in names if getattr(event, name) is not None}
                ctx.add(_job(endpoint, _body(event.kind, event.at.isoformat() + "Z", data), ctx))


def _body(kind: str, at: str, data: dict[str, str]) -> str:
    return json.dumps({"type": kind, "timestamp": at, "data": data}, separators=(",", ":"))


def _job(endpoint: NotificationEndpoint, body: str, ctx: Context) -> Job:
    return Job(
        id=uuid4(), kind=KIND, reason="notify", text=body, board_id=endpoint.board_id, created_at=ctx.now(),
        data={"endpoint_id": str(endpoint.id)},
    )  # fmt: skip


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The value of `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


async def send(services: Services, job: Job) -> None:
    """Send one message. Raises for anything but success; an endpoint that answers 410 is switched off."""
    async with services.database.write() as session:
        endpoint = await session.get(NotificationEndpoint, UUID((job.data or {})["endpoint_id"]))
    if endpoint is None or not endpoint.enabled:
        return
    body, stamp = job.text.encode(), str(int(time.time()))
    headers = {
        "Content-Type": "application/json", "webhook-id": f"msg_{job.id}", "webhook-timestamp": stamp,
        "webhook-signature": signature(services.secrets.open(endpoint.secret), f"msg_{job.id}", stamp, body),
    }  # fmt: skip
    problem: str | None = None
    gone = False
    try:
        answer = await outside.request(
            "POST", endpoint.url, allow_private=services.settings.allow_private_addresses, limit=0, seconds=15,
            headers=headers, content=body,
        )  # fmt: skip
        gone = answer.status == 410
        if not 200 <= answer.status < 300:
            problem = f"The endpoint answered with status {answer.status}."
    except Exception as error:
        problem = str(error)
    async with services.database.write() as session:
        row = await session.get(NotificationEndpoint, endpoint.id, with_for_update=True)
        if row is not None:
            moment = Context(services).now()
            if problem is None:
                row.last_success_at = moment
            else:
                row.last_failure_at, row.last_failure = moment, problem[:500]
            row.enabled = row.enabled and not gone
    if problem is not None and not gone:
        raise outside.failed(problem)
