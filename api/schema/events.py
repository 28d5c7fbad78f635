"""Events: what happened, with the changed object as it is now; as subscriptions and as history."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from api.domain import access
from api.domain.activity.tables import ActivityEvent as ActivityRow
from api.domain.agents.tables import Agent as AgentRow
from api.domain.approvals import operations as approval_operations
from api.domain.approvals.tables import Approval as ApprovalRow
from api.domain.boards import operations as boards
from api.domain.boards.tables import Board as BoardRow
from api.domain.context import Context
from api.domain.errors import Code, DomainError, Invalid
from api.domain.events import log
from api.domain.events.cursor import Cursor as LogCursor
from api.domain.events.log import Scope
from api.domain.events.tables import Event
from api.domain.groups import operations as groups
from api.domain.memory.tables import GroupMemoryEntry as GroupMemoryRow
from api.domain.memory.tables import MemoryEntry as MemoryRow
from api.domain.paging import by_ids
from api.domain.tasks.tables import Task as TaskRow
from api.schema.activity import Activity, ActivityFilter
from api.schema.agents import Agent
from api.schema.approvals import Approval
from api.schema.batching import Info, batch_field
from api.schema.comments import Comment
from api.schema.event_kinds import EventKind, TaskEventFilter
from api.schema.groups import GroupMemoryEntry
from api.schema.memory import MemoryEntry
from api.schema.node import Actor, load_actors
from api.schema.paging import PageInfo
from api.schema.scalars import Cursor, as_uuid, optional_uuid
from api.schema.tasks import Task

if TYPE_CHECKING:
    from api.schema.boards import Board

After = Annotated[
    Cursor | None,
    strawberry.argument(description="Events after this cursor, without gap; omitted: from now."),
]
BoardId = Annotated[strawberry.ID, strawberry.argument(description="The board.")]


@strawberry.type(description="A field that changed.")
class FieldChange:
    """One entry of an event's changes."""

    field: str = strawberry.field(description="Its name.")
    before: JSON | None = strawberry.field(description="The value before; null when not recorded.")
    after: JSON | None = strawberry.field(description="The value after.")


# -- loaders ----------------------------------------------------------------------------------------------------------


async def load_event_actors(ctx: Context, events: Sequence[BoardEvent]) -> list[Actor | None]:
    """Who caused each event."""
    rows = [event.event for event in events]
    return await load_actors(
        ctx,
        [row.actor_id if row.actor_kind == "user" else None for row in rows],
        [row.actor_id if row.actor_kind == "agent" else None for row in rows],
    )


async def load_event_boards(ctx: Context, events: Sequence[BoardEvent]) -> list[Board | None]:
    """The board of each event."""
    from api.schema.boards import Board

    found = await by_ids(ctx, BoardRow, [event.event.board_id for event in events])
    return [Board.of(found[e.event.board_id]) if e.event.board_id in found else None for e in events]


async def load_event_activity(ctx: Context, events: Sequence[BoardEvent]) -> list[Activity | None]:
    """The words for each event."""
    found = await by_ids(ctx, ActivityRow, [event.event.activity_id for event in events])
    return [Activity.of(found[e.event.activity_id]) if e.event.activity_id in found else None for e in events]


def _subjects(entity: Any, wrap: Any, column: str = "subject_id", *, only: str | None = None) -> Any:
    async def load(ctx: Context, events: Sequence[BoardEvent]) -> list[Any]:
        ids = [getattr(e.event, column) if only is None or e.event.kind.startswith(only) else None for e in events]
        found = await by_ids(ctx, entity, ids)
        return [wrap(found[row_id]) if row_id in found else None for row_id in ids]

    return load


# -- types ------------------------------------------------------------------------------------------------------------


@strawberry.interface(description="Something that happened on a board.")
class BoardEvent:
    """A row of `events`."""

    event: strawberry.Private[Event]
    cursor: Cursor = strawberry.field(description="The log's position after this event; resume `after` it.")
    kind: EventKind = strawberry.field(description="What happened.")
    at: datetime = strawberry.field(description="When.")
    changes: list[FieldChange] = strawberry.field(description="The fields that changed, with their values.")
    actor: Actor | None = batch_field(load_event_actors, description="Who did it; null for the server itself.")
    board: Annotated[Board, strawberry.lazy("api.schema.boards")] | None = batch_field(
        load_event_boards, description="The board as it is now; null once deleted."
    )
    activity: Activity | None = batch_field(load_event_activity, description="The words for people, if there are any.")


@strawberry.type(description="Something happened to a task or one of its comments.")
class TaskEvent(BoardEvent):
    """Topic `task`."""

    task_id: strawberry.ID = strawberry.field(description="The task, also when it is gone.")
    task: Task | None = batch_field(
        _subjects(TaskRow, Task.of, "task_id"), description="The task as it is now; null once deleted."
    )
    comment: Comment | None = batch_field(
        _subjects(ActivityRow, Comment.of, only="task.comment"),
        description="The comment, for events about one.",
    )


@strawberry.type(description="Something happened to an approval.")
class ApprovalEvent(BoardEvent):
    """Topic `approval`."""

    approval_id: strawberry.ID = strawberry.field(description="The approval, also when it is gone.")
    approval: Approval | None = batch_field(
        _subjects(ApprovalRow, Approval.of), description="The approval as it is now; null once deleted."
    )


@strawberry.type(description="Something happened in the board's memory.")
class MemoryEvent(BoardEvent):
    """Topic `memory`."""

    entry_id: strawberry.ID = strawberry.field(description="The entry.")
    entry: MemoryEntry | None = batch_field(_subjects(MemoryRow, MemoryEntry.of), description="The entry as it is now.")


@strawberry.type(description="Something happened to an agent.")
class AgentEvent(BoardEvent):
    """Topic `agent`."""

    agent_id: strawberry.ID = strawberry.field(description="The agent, also when it is gone.")
    agent: Agent | None = batch_field(
        _subjects(AgentRow, Agent.of), description="The agent as it is now; null once deleted."
    )


@strawberry.type(description="Something happened to the board itself.")
class BoardChangeEvent(BoardEvent):
    """Topic `board`."""

    board_id: strawberry.ID = strawberry.field(description="The board, also when it is gone.")
    subject_id: strawberry.ID = strawberry.field(description="What changed: the board, or something that it has.")


_TYPES: dict[str, tuple[type[BoardEvent], str, str]] = {
    "task": (TaskEvent, "task_id", "task_id"),
    "approval": (ApprovalEvent, "approval_id", "subject_id"),
    "memory": (MemoryEvent, "entry_id", "subject_id"),
    "agent": (AgentEvent, "agent_id", "subject_id"),
    "board": (BoardChangeEvent, "board_id", "board_id"),
}


def event_of(row: Event, cursor: LogCursor) -> BoardEvent:
    """The typed event of a log row."""
    cls, name, column = _TYPES[row.topic]
    changes = [FieldChange(**change) for change in row.changes or []]
    make: Any = cls
    names = {name: strawberry.ID(str(getattr(row, column)))}
    if cls is BoardChangeEvent:
        names["subject_id"] = strawberry.ID(str(row.subject_id))
    found: BoardEvent = make(
        event=row, cursor=Cursor(str(cursor)), kind=EventKind.of(row.kind), at=row.at, changes=changes,
        **names,
    )  # fmt: skip
    return found


# -- resolvers that REST streams use ----------------------------------------------------------------------------------


async def activity_row(ctx: Context, event: Event) -> ActivityRow | None:
    """The words for an event, as a row."""
    return (await by_ids(ctx, ActivityRow, [event.activity_id])).get(event.activity_id)


async def task_now(ctx: Context, event: Event) -> Task | None:
    """The event's task as it is now."""
    row = (await by_ids(ctx, TaskRow, [event.task_id])).get(event.task_id)
    return Task.of(row) if row is not None else None


async def approval_now(ctx: Context, event: Event) -> Approval | None:
    """The event's approval as it is now."""
    row = (await by_ids(ctx, ApprovalRow, [event.subject_id])).get(event.subject_id)
    return Approval.of(row) if row is not None else None


async def approval_counts(
    ctx: Context, board_id: UUID, task_ids: Sequence[UUID]
) -> tuple[int, dict[UUID, tuple[int, int]]]:
    """How many approvals of the board wait, and the counts of the tasks in their order."""
    pending = await approval_operations.pending_count(ctx, board_id)
    counts = await approval_operations.counts(ctx, board_id, task_ids)
    return pending, {task_id: counts[task_id] for task_id in task_ids if task_id in counts}


async def memory_now(ctx: Context, event: Event) -> MemoryEntry | None:
    """The event's entry as it is now."""
    row = (await by_ids(ctx, MemoryRow, [event.subject_id])).get(event.subject_id)
    return MemoryEntry.of(row) if row is not None else None


async def group_memory_now(ctx: Context, event: Event) -> GroupMemoryEntry | None:
    """The event's entry of a group's memory; None for other events of groups."""
    if event.kind not in ("group.memory_written", "group.replayed"):
        return None
    row = (await by_ids(ctx, GroupMemoryRow, [event.subject_id])).get(event.subject_id)
    return GroupMemoryEntry.of(row) if row is not None else None


async def hears_group(ctx: Context, path: Mapping[str, UUID], group_id: UUID) -> bool:
    """Whether a stream of this address tells of this group now; ends the stream of a group that is out of reach."""
    if await group_in(ctx, path) != group_id:
        return False
    if "group_id" in path:
        try:
            await groups.reachable(ctx, group_id)
        except DomainError as error:
            raise DomainError("The right to this stream has ended.", code=Code.SUBSCRIPTION_ENDED) from error
    return True


async def group_in(ctx: Context, path: Mapping[str, UUID]) -> UUID | None:
    """The group that an address means: named itself, or the one that the named board is in now."""
    if "group_id" in path:
        return path["group_id"]
    return (await boards.readable(ctx, path["board_id"])).board_group_id


def may_see(ctx: Context, event: Event) -> bool:
    """Whether an event of an organisation-wide stream is for the caller's eyes."""
    return access.may_see_event(ctx.actor, event.organization_id, event.board_id)


async def agent_now(ctx: Context, event: Event) -> Agent | None:
    """The event's agent as it is now."""
    row = (await by_ids(ctx, AgentRow, [event.subject_id])).get(event.subject_id)
    return Agent.of(row) if row is not None else None


# -- history ----------------------------------------------------------------------------------------------------------


@strawberry.type(description="An event with its cursor.")
class BoardEventEdge:
    """Edge of a history."""

    cursor: Cursor = strawberry.field(description="The log's position after this event.")
    node: BoardEvent = strawberry.field(description="The event.")


@strawberry.type(description="A page of what happened on a board, oldest first.")
class BoardEventConnection:
    """Relay's connection over the log; its cursors work for subscriptions too."""

    edges: list[BoardEventEdge] = strawberry.field(description="The events with their cursors.")
    nodes: list[BoardEvent] = strawberry.field(description="The events.")
    page_info: PageInfo = strawberry.field(description="Where this page stands.")


async def histories(
    ctx: Context, board_ids: Sequence[UUID], after: str | None, first: int, kinds: list[EventKind] | None
) -> list[BoardEventConnection]:
    """What happened on each board after a cursor, for all boards in one statement."""
    if not 0 <= first <= ctx.settings.max_page_size:
        raise Invalid(f"A page holds 0 to {ctx.settings.max_page_size} events.", asked=first)
    start = LogCursor.parse(after) if after is not None else LogCursor(ctx.services.hub.epoch, 0, 0)
    rows = await ctx.rows(log.pages_after(board_ids, start, first + 1, [str(kind.value) for kind in kinds or []]))
    if after is not None:
        await log.check(ctx, start)
    found = []
    for board_id in board_ids:
        mine = [row[0] for row in rows if row[0].board_id == board_id and row[0].topic in _TYPES]
        page = mine[:first]
        edges = []
        for row in page:
            cursor = start.advance(row.xid, row.seq)
            edges.append(BoardEventEdge(cursor=Cursor(str(cursor)), node=event_of(row, cursor)))
        info = PageInfo(
            has_next_page=len(mine) > first, has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None, end_cursor=edges[-1].cursor if edges else None,
        )  # fmt: skip
        found.append(BoardEventConnection(edges=edges, nodes=[edge.node for edge in edges], page_info=info))
    return found


# -- subscriptions ----------------------------------------------------------------------------------------------------


async def _board_stream(ctx: Context, board_id: str, after: str | None, *topics: str) -> AsyncGenerator[Any, None]:
    wanted = as_uuid(board_id, "boardId")
    start = LogCursor.parse(after) if after is not None else None

    async def gate() -> None:
        await boards.readable(ctx, wanted)

    access.signed_in(ctx.actor)
    await gate()
    await ctx.end_moment()
    async with aclosing(ctx.follow(Scope(board_id=wanted), start, gate)) as events:
        async for row, cursor in events:
            if row.topic in (topics or _TYPES):
                yield event_of(row, cursor)


async def _organization_stream(ctx: Context, after: str | None, *topics: str) -> AsyncGenerator[Any, None]:
    """Events of every board that the caller reads in the active organisation."""
    start = LogCursor.parse(after) if after is not None else None
    organization_id = access.organization_of(ctx.actor)

    async def gate() -> None:
        if not access.sees_organization(ctx.actor, organization_id):
            raise Invalid("The organisation is out of reach.")

    async with aclosing(ctx.follow(Scope(organization_id=organization_id), start, gate)) as events:
        async for row, cursor in events:
            if row.topic in topics and access.may_see_event(ctx.actor, row.organization_id, row.board_id):
                yield event_of(row, cursor)


@strawberry.type
class EventSubscription:
    """Live events. Each stream can be resumed `after` the cursor of any event or of a read."""

    @strawberry.subscription(description="Everything that happens on a board.")
    async def board_events(
        self, info: Info, board_id: BoardId, after: After = None
    ) -> AsyncGenerator[BoardEvent, None]:
        async with aclosing(_board_stream(info.context, board_id, after)) as events:
            async for event in events:
                yield event

    @strawberry.subscription(description="What happens to a board's tasks and their comments.")
    async def task_events(
        self, info: Info, board_id: BoardId, after: After = None,
        filter: Annotated[TaskEventFilter | None, strawberry.argument(description="Which events.")] = None,
    ) -> AsyncGenerator[TaskEvent, None]:  # fmt: skip
        task_id = optional_uuid(filter.task_id, "taskId") if filter else None
        kinds = set(filter.kinds) if filter and filter.kinds is not None else None
        async with aclosing(_board_stream(info.context, board_id, after, "task")) as events:
            async for event in events:
                if (task_id is None or event.event.task_id == task_id) and (kinds is None or event.kind in kinds):
                    yield event

    @strawberry.subscription(description="What happens to a board's approvals.")
    async def approval_events(
        self, info: Info, board_id: BoardId, after: After = None
    ) -> AsyncGenerator[ApprovalEvent, None]:
        async with aclosing(_board_stream(info.context, board_id, after, "approval")) as events:
            async for event in events:
                yield event

    @strawberry.subscription(description="What is written into a board's memory.")
    async def memory_events(
        self, info: Info, board_id: BoardId, after: After = None
    ) -> AsyncGenerator[MemoryEvent, None]:
        async with aclosing(_board_stream(info.context, board_id, after, "memory")) as events:
            async for event in events:
                yield event

    @strawberry.subscription(description="What happens to a board's agents, or to all agents that the caller sees.")
    async def agent_events(
        self, info: Info,
        board_id: Annotated[strawberry.ID | None, strawberry.argument(description="The board; omitted: all.")] = None,
        after: After = None,
    ) -> AsyncGenerator[AgentEvent, None]:  # fmt: skip
        ctx = info.context
        stream = (
            _organization_stream(ctx, after, "agent") if board_id is None
            else _board_stream(ctx, board_id, after, "agent")
        )  # fmt: skip
        async with aclosing(stream) as events:
            async for event in events:
                yield event

    @strawberry.subscription(description="Activity as it happens on boards that the caller reads.")
    async def activity(
        self, info: Info,
        filter: Annotated[ActivityFilter | None, strawberry.argument(description="Which activity.")] = None,
        after: After = None,
    ) -> AsyncGenerator[ActivityEvent, None]:  # fmt: skip
        ctx = info.context
        board_id = filter.board_id if filter else None
        topics = tuple(_TYPES)
        stream = _organization_stream(ctx, after, *topics) if board_id is None else _board_stream(ctx, board_id, after)
        async with aclosing(stream) as events:
            async for event in events:
                if event.event.activity_id is None:
                    continue
                found = (await load_event_activity(ctx, [event]))[0]
                if found is not None and _matches(found.row, filter):
                    yield ActivityEvent(cursor=event.cursor, at=event.at, activity=found)
                else:
                    # Nothing is answered, so nobody else ends this moment: the next event needs a new one.
                    await ctx.end_moment()


def _matches(row: ActivityRow, filter: ActivityFilter | None) -> bool:
    if filter is None:
        return True
    return (
        (filter.task_id is None or row.task_id == as_uuid(filter.task_id, "taskId"))
        and (filter.agent_id is None or row.agent_id == as_uuid(filter.agent_id, "agentId"))
        and (filter.types is None or row.event_type in filter.types)
    )


@strawberry.type(description="A new line of activity.")
class ActivityEvent:
    """An event that has words."""

    cursor: Cursor = strawberry.field(description="The log's position after it.")
    at: datetime = strawberry.field(description="When.")
    activity: Activity = strawberry.field(description="The line.")
