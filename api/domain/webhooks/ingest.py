"""Taking a delivery: checked, stored with its message to an agent in one transaction, then answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from sqlalchemy import select

from api.domain.agents.tables import Agent
from api.domain.boards.operations import lead_of
from api.domain.boards.tables import Board
from api.domain.context import Context
from api.domain.errors import Code, DomainError, Forbidden, NotFound
from api.domain.jobs import Job
from api.domain.limits import RateLimit
from api.domain.memory.tables import MemoryEntry
from api.domain.webhooks import rules
from api.domain.webhooks.tables import BoardWebhook, WebhookPayload

#: Deliveries a minute: of one address, and for one webhook whoever sends them.
PER_ADDRESS = 60
PER_WEBHOOK = 600


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request as it came in; `read` gives the body up to a limit or raises `BODY_TOO_LARGE`."""

    headers: Mapping[str, str]
    address: str
    read: Callable[[int], Awaitable[bytes]]


async def ingest(ctx: Context, board_id: UUID, webhook_id: UUID, delivery: Delivery) -> WebhookPayload:
    """Store a delivery and tell the webhook's agent, or else the lead. Nothing of a refused one is kept.

    A delivery that the sender repeats under the same id answers with the first one and changes nothing.
    """
    database = ctx.services.database
    await RateLimit(database, "webhook_ingest", PER_ADDRESS).hit(delivery.address)
    board: Board | None = await ctx.one(select(Board).where(Board.id == board_id))
    if board is None:
        raise NotFound()
    webhook: BoardWebhook | None = await ctx.one(
        select(BoardWebhook).where(BoardWebhook.id == webhook_id, BoardWebhook.board_id == board_id)
    )
    if webhook is None:
        raise NotFound()
    if not webhook.enabled:
        raise DomainError("This webhook is switched off.", code=Code.GONE)
    # The connection goes back before another is asked for, and before a body of any speed is read.
    await ctx.end_moment()
    body = await delivery.read(ctx.settings.webhook_max_payload_bytes)
    if webhook.secret:
        secret = ctx.services.secrets.open(webhook.secret)
        problem = rules.signature_problem(secret, webhook.signature_header, delivery.headers, body)
        if problem is not None:
            raise Forbidden(problem)
    # What is signed counts for the webhook; without a secret, each sender for itself.
    key = str(webhook_id) if webhook.secret else f"{webhook_id}:{delivery.address}"
    await RateLimit(database, "webhook", PER_WEBHOOK).hit(key)
    return await _store(ctx, board_id, webhook_id, delivery, body)


async def _store(ctx: Context, board_id: UUID, webhook_id: UUID, delivery: Delivery, body: bytes) -> WebhookPayload:
    content_type, key = delivery.headers.get("content-type"), rules.delivery_key(delivery.headers, body)
    async with ctx.write():
        # Shared locks: neither may go while a delivery for it is written.
        board = await ctx.one(select(Board).where(Board.id == board_id).with_for_update(read=True, key_share=True))
        webhook = await ctx.one(
            select(BoardWebhook).where(BoardWebhook.id == webhook_id).with_for_update(read=True, key_share=True)
        )
        if board is None or webhook is None:
            raise NotFound()
        if key is not None:
            await ctx.lock_key("delivery", webhook_id, key)
            first: WebhookPayload | None = await ctx.one(
                select(WebhookPayload).where(
                    WebhookPayload.webhook_id == webhook_id, WebhookPayload.delivery_key == key
                )
            )
            if first is not None:
                return first
        payload = WebhookPayload(
            id=uuid4(), board_id=board.id, webhook_id=webhook.id, payload=rules.decode(body, content_type),
            headers=rules.captured(delivery.headers, webhook.signature_header), source_ip=delivery.address or None,
            content_type=content_type, received_at=ctx.now(), delivery_key=key,
        )  # fmt: skip
        shown = rules.preview(payload.payload)
        entry = MemoryEntry(
            id=uuid4(), board_id=board.id, is_chat=False, source="webhook", created_at=ctx.now(),
            tags=["webhook", f"webhook:{webhook.id}", f"payload:{payload.id}"],
            content=_memory(board, webhook, payload, shown),
        )  # fmt: skip
        ctx.add(payload, entry)
        agent = await _recipient(ctx, board, webhook)
        if agent is not None:
            job = Job(
                id=uuid4(), agent_id=agent.id, reason="webhook", board_id=board.id, created_at=ctx.now(),
                text=_message(ctx, board, webhook, payload, shown), data={"payload_id": str(payload.id)},
            )  # fmt: skip
            payload.job_id = job.id
            ctx.add(job)
        await ctx.flush()
        ctx.emit("memory.written", subject_id=entry.id, board_id=board.id, organization_id=board.organization_id)
        ctx.emit(
            "board.webhook_received", subject_id=payload.id, board_id=board.id, organization_id=board.organization_id
        )
    return payload


async def _recipient(ctx: Context, board: Board, webhook: BoardWebhook) -> Agent | None:
    if webhook.agent_id is not None:
        named: Agent | None = await ctx.one(
            select(Agent).where(Agent.id == webhook.agent_id, Agent.board_id == board.id)
        )
        if named is not None:
            return named
    return await lead_of(ctx, board.id)


def _memory(board: Board, webhook: BoardWebhook, payload: WebhookPayload, shown: str) -> str:
    path = f"/api/v1/boards/{board.id}/webhooks/{webhook.id}/payloads/{payload.id}"
    return "\n".join([
        "WEBHOOK PAYLOAD RECEIVED", f"Webhook: {webhook.id}", f"Payload: {payload.id}",
        f"Whole payload: GET {path}", "",
        rules.fenced(f"Instruction: {webhook.description}", "Payload:", shown),
    ])  # fmt: skip


def _message(ctx: Context, board: Board, webhook: BoardWebhook, payload: WebhookPayload, shown: str) -> str:
    base = f"{ctx.settings.public_url}/api/v1/agent/boards/{board.id}"
    return "\n".join([
        "WEBHOOK EVENT RECEIVED", f"Webhook: {webhook.id}", f"Payload: {payload.id}", "",
        "1. Judge the payload by the instruction below.",
        "2. Make or change tasks where work follows from it.",
        "3. Name the payload id in the description of each of them.",
        f"Whole payload: GET {base}/webhooks/{webhook.id}/payloads/{payload.id}",
        f"Earlier ones: GET {base}/memory?is_chat=false", "",
        rules.fenced(f"Board: {board.name}", f"Instruction: {webhook.description}", "Payload:", shown),
    ])  # fmt: skip
