"""How GraphQL sees the domain. `build_schema` puts the nouns together."""

from __future__ import annotations

from functools import cache
from typing import Any

import strawberry
import structlog
from strawberry.extensions import SchemaExtension
from strawberry.schema import Schema as StrawberrySchema

from api.domain import access
from api.domain.errors import DomainError
from api.schema.activity import ActivityQuery
from api.schema.agents import AgentMutation, AgentQuery
from api.schema.approvals import ApprovalMutation, ApprovalQuery
from api.schema.batching import Info
from api.schema.boards import BoardMutation, BoardQuery
from api.schema.comments import CommentMutation
from api.schema.coordination import CoordinationMutation, CoordinationQuery
from api.schema.events import BoardChangeEvent, EventSubscription
from api.schema.gateway_mutations import GatewayMutation, GatewaySubscription
from api.schema.gateways import GatewayQuery
from api.schema.groups import GroupMutation, GroupQuery
from api.schema.invites import InviteMutation
from api.schema.jobs import JobMutation, JobQuery, JobSubscription
from api.schema.members import OrganizationMutation
from api.schema.memory import MemoryMutation
from api.schema.metrics import MetricsQuery
from api.schema.nodes import NodeQuery
from api.schema.notifications import NotificationMutation, NotificationQuery
from api.schema.onboarding import OnboardingMutation
from api.schema.organization_events import OrganizationSubscription
from api.schema.organizations import OrganizationQuery
from api.schema.scalars import CONFIG, Cursor
from api.schema.skills import SkillMutation, SkillQuery
from api.schema.tag_mutations import TagMutation, TagQuery
from api.schema.task_mutations import TaskMutation
from api.schema.tasks import TaskQuery
from api.schema.users import UserMutation, UserQuery
from api.schema.webhooks import WebhookMutation, WebhookQuery

log = structlog.get_logger(__name__)


@strawberry.type(description="Reading. One operation sees one moment of the database.")
class Query(
    UserQuery, OrganizationQuery, BoardQuery, TaskQuery, ApprovalQuery, AgentQuery, ActivityQuery, NodeQuery,
    TagQuery, GroupQuery, MetricsQuery, WebhookQuery, SkillQuery,
    NotificationQuery, GatewayQuery, JobQuery, CoordinationQuery,
):  # fmt: skip
    """The nouns' query fields, and the moment."""

    @strawberry.field(description="The log's position of this answer: subscribe `after` it and nothing is missed.")
    async def event_cursor(self, info: Info) -> Cursor:
        access.signed_in(info.context.actor)
        return Cursor(str(await info.context.cursor()))


@strawberry.type(description="Changing. Each field is a transaction of its own; a failed one has written nothing.")
class Mutation(
    UserMutation, OrganizationMutation, BoardMutation, TaskMutation, CommentMutation, ApprovalMutation,
    MemoryMutation, AgentMutation, InviteMutation, TagMutation, GroupMutation,
    WebhookMutation, OnboardingMutation, SkillMutation, NotificationMutation,
    GatewayMutation, JobMutation, CoordinationMutation,
):  # fmt: skip
    """The nouns' mutations."""


@strawberry.type(description="Following. Events come in the order of the log, each once, and can be resumed.")
class Subscription(EventSubscription, OrganizationSubscription, JobSubscription, GatewaySubscription):
    """The event streams."""


class PreparedDocument(SchemaExtension):
    """Takes the document that `limits.prepare` has parsed, checked and cached, instead of doing it again."""

    def on_parse(self) -> Any:
        prepared = self.execution_context.context.document
        if prepared is not None:
            self.execution_context.graphql_document = prepared
            self.execution_context.validation_rules = ()
        yield


class Schema(StrawberrySchema):
    """Strawberry's schema; expected errors are answers, not log lines."""

    def process_errors(self, errors: list[Any], execution_context: Any = None) -> None:
        """Log what nobody expected."""
        for error in errors:
            original = error.original_error
            if original is not None and not isinstance(original, DomainError):
                context = getattr(execution_context, "context", None)
                log.error(
                    "graphql.unexpected_error", path=error.path, request_id=getattr(context, "request_id", ""),
                    exc_info=(type(original), original, original.__traceback__),
                )  # fmt: skip


@cache
def build_schema() -> Schema:
    """The schema of this version."""
    schema = Schema(
        query=Query, mutation=Mutation, subscription=Subscription, types=[BoardChangeEvent], config=CONFIG,
        extensions=[PreparedDocument],
    )  # fmt: skip
    # The one argument of a mutation is what its type says it is.
    for field in schema._schema.mutation_type.fields.values():  # type: ignore[union-attr]
        for argument in field.args.values():
            argument.description = argument.description or getattr(argument.type, "of_type", argument.type).description
    return schema
