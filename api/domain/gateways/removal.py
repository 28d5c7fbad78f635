"""What goes with a gateway."""

from __future__ import annotations

from sqlalchemy import delete, update

from api.domain.activity.tables import ActivityEvent
from api.domain.agents.tables import Agent
from api.domain.approvals.tables import Approval
from api.domain.boards.tables import Gateway
from api.domain.context import Context
from api.domain.jobs import Job
from api.domain.skills.tables import InstalledSkill
from api.domain.tasks.rules import Status
from api.domain.tasks.tables import Task
from api.domain.webhooks.tables import BoardWebhook


async def of_gateway(ctx: Context, gateway: Gateway) -> None:
    """Its main agents with what points to them, and what was installed there."""
    mains = Agent.gateway_id == gateway.id, Agent.board_id.is_(None)
    ids = list(await ctx.all(Agent.__table__.select().with_only_columns(Agent.id).where(*mains)))
    started = Task.status == Status.IN_PROGRESS.value
    for statement in (
        update(Task)
        .where(Task.assigned_agent_id.in_(ids), started)
        .values(status=Status.INBOX.value, assigned_agent_id=None, in_progress_at=None, updated_at=ctx.now()),
        update(Task).where(Task.assigned_agent_id.in_(ids)).values(assigned_agent_id=None, updated_at=ctx.now()),
        update(ActivityEvent).where(ActivityEvent.agent_id.in_(ids)).values(agent_id=None),
        update(Approval).where(Approval.agent_id.in_(ids)).values(agent_id=None),
        update(BoardWebhook).where(BoardWebhook.agent_id.in_(ids)).values(agent_id=None, updated_at=ctx.now()),
        delete(Job).where(Job.agent_id.in_(ids)),
        delete(Agent).where(Agent.id.in_(ids)),
        delete(InstalledSkill).where(InstalledSkill.gateway_id == gateway.id),
    ):
        await ctx.run(statement.execution_options(synchronize_session=False))  # fmt: skip
