"""Wire objects that are put together from several nouns: snapshots, feeds, the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.rest_compat import wire
from api.rest_compat.gateway_views import GATEWAY_FILLS
from api.rest_compat.shapes import FILLS, agent_read, approval_read, columns, plain, task_read
from api.schema import agents, comments, skills, snapshots, webhooks
from api.schema.batching import Context

_board_read = plain(wire.BoardRead)
_memory_read = plain(wire.BoardMemoryRead)
_group_read = plain(wire.BoardGroupRead)
_GLANCE = columns(wire.BoardGroupTaskSummary, "board_name", "assignee", "tags")
_ACTIVITY = columns(wire.ActivityEventRead, "route_name", "route_params")
_FEED = ("id", "created_at", "message", "agent_id", "task_id", "board_id")


async def board_snapshot(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """A whole board; a card's assignee is named when it is an agent of this board."""
    found = []
    for one in objects:
        names = {agent.row.id: agent.row.name for agent in one.agents}
        counts = await snapshots.approval_counts(ctx, one)
        cards = await task_read(ctx, one.tasks)
        for card in cards:
            card["assignee"] = names.get(card["assigned_agent_id"])
            card["approvals_count"], card["approvals_pending_count"] = counts.get(card["id"], (0, 0))
        found.append(
            {
                "board": (await _board_read(ctx, [one.board]))[0], "tasks": cards,
                "agents": await agent_read(ctx, one.agents), "approvals": await approval_read(ctx, one.approvals),
                "chat_messages": await _memory_read(ctx, one.chat), "pending_approvals_count": one.pending,
            }
        )  # fmt: skip
    return found


async def group_snapshot(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """A group and its boards."""
    found = []
    for one in objects:
        tasks = [glance.task for board in one.boards for glance in board.tasks]
        tags = {task["id"]: task["tags"] for task in await task_read(ctx, tasks)}
        boards = await _board_read(ctx, [glance.board for glance in one.boards])
        shown = [
            {
                "board": board, "task_counts": glance.counts,
                "tasks": [
                    {
                        **{name: getattr(task.task.row, name) for name in _GLANCE}, "board_name": task.board_name,
                        "assignee": task.assignee, "tags": tags[task.task.row.id],
                    }
                    for task in glance.tasks
                ],
            }
            for board, glance in zip(boards, one.boards, strict=True)
        ]  # fmt: skip
        group = (await _group_read(ctx, [one.group]))[0] if one.group is not None else None
        found.append({"group": group, "boards": shown})
    return found


async def rhythm(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Which agents have the new heartbeat interval."""
    return [
        {
            "board_group_id": one.group_id, "requested": one.requested, "updated_agent_ids": one.updated,
            "failed_agent_ids": one.failed,
        }
        for one in objects
    ]  # fmt: skip


async def activity_item(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Activity with where a client finds it."""
    found = []
    for one in objects:
        values = {name: getattr(one.row, name) for name in _ACTIVITY}
        values["route_name"], values["route_params"] = _place(one.row)
        found.append(values)
    return found


def _place(row: Any) -> tuple[str, dict[str, str]]:
    if row.board_id is None:
        place = {"eventId": str(row.id), "eventType": row.event_type, "createdAt": row.created_at.isoformat()}
        return "activity", {**place, **({"taskId": str(row.task_id)} if row.task_id else {})}
    board = {"boardId": str(row.board_id)}
    if row.event_type == "task.comment" and row.task_id:
        return "board", {**board, "taskId": str(row.task_id), "commentId": str(row.id)}
    if row.event_type.startswith("approval."):
        return "board.approvals", board
    if row.event_type.startswith("board."):
        return "board", {**board, "panel": "chat"}
    return "board", {**board, **({"taskId": str(row.task_id)} if row.task_id else {})}


async def comment_item(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Comments with the names of their task, board and agent."""
    tasks = await comments.load_tasks(ctx, objects)
    boards = await comments.load_boards(ctx, objects)
    authors = await comments.load_authors(ctx, objects)
    found = []
    for one, task, board, author in zip(objects, tasks, boards, authors, strict=True):
        agent = author if isinstance(author, agents.Agent) else None
        profile = (agent.row.identity_profile or {}) if agent else {}
        role = profile.get("role")
        found.append(
            {
                **{name: getattr(one.row, name) for name in _FEED},
                "task_title": task.row.title if task else "", "board_name": board.row.name if board else "",
                "agent_name": agent.row.name if agent else None,
                "agent_role": (role.strip() or None) if isinstance(role, str) else None,
            }
        )  # fmt: skip
    return found


async def webhook_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Webhooks with their address, never their secret."""
    names = columns(wire.BoardWebhookRead, "has_secret", "endpoint_path", "endpoint_url")
    return [
        {
            **{name: getattr(one.row, name) for name in names}, "has_secret": one.has_secret,
            "endpoint_path": webhooks.endpoint_path(one), "endpoint_url": webhooks.endpoint_url(ctx, one),
        }
        for one in objects
    ]  # fmt: skip


async def delivery_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Deliveries with as much of the payload as was asked for."""
    names = columns(wire.BoardWebhookPayloadRead, "payload")
    return [{**{name: getattr(one.row, name) for name in names}, "payload": one.payload} for one in objects]


async def ingested(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """What a sender is told."""
    return [
        {"ok": True, "board_id": one.row.board_id, "webhook_id": one.row.webhook_id, "payload_id": one.row.id}
        for one in objects
    ]


def _skill(row: Any) -> dict[str, Any]:
    names = columns(wire.MarketplaceSkillRead, "metadata")
    return {**{name: getattr(row, name) for name in names}, "metadata": row.details or {}}


async def skill_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Skills."""
    return [_skill(one.row) for one in objects]


async def skill_card(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Skills, and whether the gateway that was asked about has them; the source is the address."""
    return [
        {
            **_skill(one.skill.row), "source": one.skill.row.source_url or one.skill.row.source,
            "installed": one.installation is not None,
            "installed_at": one.installation.created_at if one.installation is not None else None,
        }
        for one in objects
    ]  # fmt: skip


async def skill_action(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """What was asked of a gateway."""
    names = ("skill_id", "gateway_id", "installed")
    return [{"ok": True, **{name: getattr(one, name) for name in names}} for one in objects]


async def pack_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Packs with the count of their skills."""
    names = columns(wire.SkillPackRead, "metadata", "skill_count")
    counts = await skills.load_skill_counts(ctx, objects)
    return [
        {**{name: getattr(one.row, name) for name in names}, "metadata": one.row.details or {}, "skill_count": count}
        for one, count in zip(objects, counts, strict=True)
    ]


async def pack_synced(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """What a sync did."""
    names = ("synced", "created", "updated", "warnings")
    return [{"ok": True, "pack_id": one.pack.row.id, **{name: getattr(one, name) for name in names}} for one in objects]


async def soul_search(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """Souls of the directory."""
    names = columns(wire.SoulsDirectorySoulRef)
    return [{"items": [{name: getattr(soul, name) for name in names} for soul in one]} for one in objects]


async def soul_text(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """The text of a soul."""
    names = columns(wire.SoulsDirectoryMarkdownResponse)
    return [{name: getattr(one, name) for name in names} for one in objects]


async def onboarding_read(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """The conversation; a draft shows every key that it may have."""
    names = columns(wire.BoardOnboardingRead)
    found = [{name: getattr(one.row, name) for name in names} for one in objects]
    for values in found:
        if values["draft_goal"] is not None:
            keys = wire.BoardOnboardingAgentComplete.model_fields
            values["draft_goal"] = {key: values["draft_goal"].get(key) for key in keys}
    return found


async def dashboard(ctx: Context, objects: Sequence[Any]) -> list[dict[str, Any]]:
    """The dashboard as the wire spells it."""
    return [_dashboard(one.found) for one in objects]


def _dashboard(found: Any) -> dict[str, Any]:
    counts = found.counts
    return {
        "range": found.range, "generated_at": found.generated_at,
        "kpis": {
            "active_agents": found.active_agents, "tasks_in_progress": counts["in_progress"],
            **{f"{status}_tasks": count for status, count in counts.items()},
            "error_rate_pct": found.error_rate, "median_cycle_time_hours_7d": found.median_cycle_hours,
        },
        **{name: _series_set(found, name) for name in ("throughput", "cycle_time", "error_rate", "wip")},
        "pending_approvals": {
            "total": found.pending_total,
            "items": [
                {
                    "approval_id": one.approval.id, "board_id": one.approval.board_id, "board_name": one.board_name,
                    "action_type": one.approval.action_type, "confidence": one.approval.confidence,
                    "created_at": one.approval.created_at, "task_title": one.task_title,
                }
                for one in found.pending
            ],
        },
    }  # fmt: skip


def _series_set(found: Any, name: str) -> dict[str, Any]:
    return {
        key: {
            "range": series.window.range, "bucket": series.window.bucket,
            "points": [
                {"period": period, **(value if isinstance(value, dict) else {"value": value})}
                for period, value in zip(series.window.starts, series.values, strict=True)
            ],
        }
        for key, series in zip(("primary", "comparison"), found.series[name], strict=True)
    }  # fmt: skip


FILLS.update(GATEWAY_FILLS)
FILLS.update(
    {
        wire.BoardSnapshot: board_snapshot,
        wire.BoardGroupSnapshot: group_snapshot,
        wire.BoardGroupHeartbeatApplyResult: rhythm,
        wire.ActivityEventRead: activity_item,
        wire.ActivityTaskCommentFeedItemRead: comment_item,
        wire.DashboardMetrics: dashboard,
        wire.BoardWebhookRead: webhook_read,
        wire.BoardWebhookPayloadRead: delivery_read,
        wire.BoardWebhookIngestResponse: ingested,
        wire.BoardOnboardingRead: onboarding_read,
        wire.MarketplaceSkillRead: skill_read,
        wire.MarketplaceSkillCardRead: skill_card,
        wire.MarketplaceSkillActionResponse: skill_action,
        wire.SkillPackRead: pack_read,
        wire.SkillPackSyncResponse: pack_synced,
        wire.SoulsDirectorySearchResponse: soul_search,
        wire.SoulsDirectoryMarkdownResponse: soul_text,
    }
)
