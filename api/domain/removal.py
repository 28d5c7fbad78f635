"""What goes when a board, a group or an organisation goes: deletions in the order that foreign keys ask for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Select, String, cast, delete, or_, select, update

from api.domain.activity.tables import ActivityEvent
from api.domain.agents.tables import Agent
from api.domain.approvals.tables import Approval, ApprovalTaskLink
from api.domain.boards.tables import Board, BoardGroup, Gateway
from api.domain.custom_fields.tables import BoardCustomField, CustomFieldDefinition, CustomFieldValue
from api.domain.events.tables import Event
from api.domain.jobs import Job
from api.domain.memory.tables import GroupMemoryEntry, MemoryEntry
from api.domain.onboarding.tables import OnboardingSession
from api.domain.organizations.tables import (
    Organization,
    OrganizationBoardAccess,
    OrganizationInvite,
    OrganizationInviteBoardAccess,
    OrganizationMember,
)
from api.domain.skills.tables import InstalledSkill, Skill, SkillPack
from api.domain.tags import Tag, TagAssignment
from api.domain.tasks.tables import Task, TaskDependency, TaskFingerprint
from api.domain.users.tables import PersonalToken, User
from api.domain.webhooks.tables import BoardWebhook, NotificationEndpoint, WebhookPayload


def oldest_other(organization_id: UUID) -> Any:
    """The oldest other organisation of a user, inside an update of users."""
    return (
        select(OrganizationMember.organization_id)
        .where(OrganizationMember.user_id == User.id, OrganizationMember.organization_id != organization_id)
        .order_by(OrganizationMember.created_at, OrganizationMember.id)
        .limit(1)
        .correlate(User)
        .scalar_subquery()
    )


def of_boards(boards: Select[Any]) -> Iterable[Any]:
    """Everything of the boards that the subquery names, themselves last."""
    tasks = select(Task.id).where(Task.board_id.in_(boards))
    approvals = select(Approval.id).where(Approval.board_id.in_(boards))
    agents = select(Agent.id).where(Agent.board_id.in_(boards))
    yield delete(ActivityEvent).where(
        or_(ActivityEvent.task_id.in_(tasks), ActivityEvent.board_id.in_(boards), ActivityEvent.agent_id.in_(agents))
    )
    yield delete(TagAssignment).where(TagAssignment.task_id.in_(tasks))
    yield delete(CustomFieldValue).where(CustomFieldValue.task_id.in_(tasks))
    yield delete(TaskDependency).where(TaskDependency.board_id.in_(boards))
    yield delete(TaskFingerprint).where(TaskFingerprint.board_id.in_(boards))
    yield delete(ApprovalTaskLink).where(
        or_(ApprovalTaskLink.approval_id.in_(approvals), ApprovalTaskLink.task_id.in_(tasks))
    )
    yield delete(Approval).where(Approval.board_id.in_(boards))
    yield update(Approval).where(Approval.task_id.in_(tasks)).values(task_id=None)
    yield update(Approval).where(Approval.agent_id.in_(agents)).values(agent_id=None)
    for entity in (
        MemoryEntry, WebhookPayload, BoardWebhook, NotificationEndpoint, OnboardingSession, OrganizationBoardAccess,
        OrganizationInviteBoardAccess, BoardCustomField, Job, Event, Task,
    ):  # fmt: skip
        yield delete(entity).where(entity.board_id.in_(boards))
    yield update(Task).where(Task.assigned_agent_id.in_(agents)).values(assigned_agent_id=None)
    yield update(BoardWebhook).where(BoardWebhook.agent_id.in_(agents)).values(agent_id=None)
    yield delete(Agent).where(Agent.board_id.in_(boards))
    yield delete(Board).where(Board.id.in_(boards))


def of_group(group_id: UUID) -> Iterable[Any]:
    """A group with its memory; its boards stay without one."""
    yield update(Board).where(Board.board_group_id == group_id).values(board_group_id=None)
    yield delete(GroupMemoryEntry).where(GroupMemoryEntry.board_group_id == group_id)
    yield delete(BoardGroup).where(BoardGroup.id == group_id)


def of_organization(organization_id: UUID) -> Iterable[Any]:
    """Everything of an organisation, itself last."""
    gateways = select(Gateway.id).where(Gateway.organization_id == organization_id)
    mains = select(Agent.id).where(Agent.board_id.is_(None), Agent.gateway_id.in_(gateways))
    groups = select(BoardGroup.id).where(BoardGroup.organization_id == organization_id)
    tags = select(Tag.id).where(Tag.organization_id == organization_id)
    fields = select(CustomFieldDefinition.id).where(CustomFieldDefinition.organization_id == organization_id)
    skills = select(Skill.id).where(Skill.organization_id == organization_id)
    members = select(OrganizationMember.id).where(OrganizationMember.organization_id == organization_id)
    invites = select(OrganizationInvite.id).where(OrganizationInvite.organization_id == organization_id)
    yield from of_boards(select(Board.id).where(Board.organization_id == organization_id))
    yield delete(ActivityEvent).where(ActivityEvent.agent_id.in_(mains), ActivityEvent.board_id.is_(None))
    yield update(ActivityEvent).where(ActivityEvent.agent_id.in_(mains)).values(agent_id=None)
    endpoints = select(cast(NotificationEndpoint.id, String)).where(
        NotificationEndpoint.organization_id == organization_id
    )
    yield delete(Job).where(Job.kind == "notify", Job.data["endpoint_id"].as_string().in_(endpoints))
    yield update(Approval).where(Approval.agent_id.in_(mains)).values(agent_id=None)
    yield update(Task).where(Task.assigned_agent_id.in_(mains)).values(assigned_agent_id=None)
    yield delete(Agent).where(Agent.id.in_(mains))
    yield delete(GroupMemoryEntry).where(GroupMemoryEntry.board_group_id.in_(groups))
    yield delete(TagAssignment).where(TagAssignment.tag_id.in_(tags))
    yield delete(CustomFieldValue).where(CustomFieldValue.task_custom_field_definition_id.in_(fields))
    yield delete(BoardCustomField).where(BoardCustomField.task_custom_field_definition_id.in_(fields))
    yield delete(InstalledSkill).where(
        or_(InstalledSkill.skill_id.in_(skills), InstalledSkill.gateway_id.in_(gateways))
    )
    yield delete(OrganizationBoardAccess).where(OrganizationBoardAccess.organization_member_id.in_(members))
    yield delete(OrganizationInviteBoardAccess).where(OrganizationInviteBoardAccess.organization_invite_id.in_(invites))
    yield (
        update(User)
        .where(User.active_organization_id == organization_id)
        .values(active_organization_id=oldest_other(organization_id))
    )
    for entity in (
        BoardGroup, Tag, CustomFieldDefinition, Skill, SkillPack, Gateway, OrganizationInvite, OrganizationMember,
        PersonalToken, NotificationEndpoint, Event,
    ):  # fmt: skip
        yield delete(entity).where(entity.organization_id == organization_id)
    yield delete(Organization).where(Organization.id == organization_id)
