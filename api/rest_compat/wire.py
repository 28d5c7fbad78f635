"""The REST models: field names, defaults and error arrays that clients rely on. `shapes.py` fills them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

T = TypeVar("T")

Status = Literal["inbox", "in_progress", "review", "done"]
Decision = Literal["pending", "approved", "rejected"]
NonBlank = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
#: A comment inside an update; blank counts as none.
Comment = Annotated[str | None, BeforeValidator(lambda text: (text.strip() or None) if isinstance(text, str) else text)]


class Model(BaseModel):
    """Unknown keys are ignored, everywhere."""

    model_config = ConfigDict(extra="ignore")


class Page(Model, Generic[T]):
    """A limit/offset page."""

    items: list[T]
    total: int = Field(ge=0)
    limit: int = Field(ge=1)
    offset: int = Field(ge=0)


class OkResponse(Model):
    """Done."""

    ok: bool = True


class HealthStatusResponse(Model):
    """Whether the service is well."""

    ok: bool = Field(description="Whether it is.", examples=[True])


class LLMErrorResponse(Model):
    """An error that programs can act on."""

    detail: str | dict[str, Any] | list[Any]
    request_id: str | None = None
    code: str | None = None
    retryable: bool | None = None


class ValidationError(Model):
    """One thing that is wrong with a request."""

    loc: list[str | int]
    msg: str
    type: str
    input: Any = None
    ctx: dict[str, Any] = Field(default_factory=dict)


class HTTPValidationError(Model):
    """What is wrong with a request."""

    detail: list[ValidationError] = Field(default_factory=list)


class BlockedTaskDetail(Model):
    """Why a task cannot move."""

    message: str
    code: str | None = None
    blocked_by_task_ids: list[str] = Field(default_factory=list)


class BlockedTaskError(Model):
    """A task that cannot move."""

    detail: BlockedTaskDetail


# -- boards -----------------------------------------------------------------------------------------------------------


class BoardCreate(Model):
    """A new board."""

    name: str
    slug: str
    description: str
    gateway_id: UUID | None = None
    board_group_id: UUID | None = None
    board_type: str = "goal"
    objective: str | None = None
    success_metrics: dict[str, Any] | None = None
    target_date: datetime | None = None
    goal_confirmed: bool = False
    goal_source: str | None = None
    require_approval_for_done: bool = True
    require_review_before_done: bool = False
    comment_required_for_review: bool = False
    block_status_changes_with_pending_approval: bool = False
    only_lead_can_change_status: bool = False
    max_agents: int = Field(1, ge=0)


class BoardUpdate(Model):
    """What to change of a board."""

    name: str | None = None
    slug: str | None = None
    description: str | None = None
    gateway_id: UUID | None = None
    board_group_id: UUID | None = None
    board_type: str | None = None
    objective: str | None = None
    success_metrics: dict[str, Any] | None = None
    target_date: datetime | None = None
    goal_confirmed: bool | None = None
    goal_source: str | None = None
    require_approval_for_done: bool | None = None
    require_review_before_done: bool | None = None
    comment_required_for_review: bool | None = None
    block_status_changes_with_pending_approval: bool | None = None
    only_lead_can_change_status: bool | None = None
    max_agents: int | None = Field(None, ge=0)


class BoardRead(BoardCreate):
    """A board."""

    id: UUID
    organization_id: UUID
    created_at: datetime
    updated_at: datetime


# -- tasks ------------------------------------------------------------------------------------------------------------


class TagRef(Model):
    """A tag as tasks show it."""

    id: UUID
    name: str
    slug: str
    color: str


class TaskCreate(Model):
    """A new task."""

    title: str
    description: str | None = None
    status: Status = "inbox"
    priority: str = "medium"
    due_at: datetime | None = None
    assigned_agent_id: UUID | None = None
    depends_on_task_ids: list[UUID] = Field(default_factory=list)
    tag_ids: list[UUID] = Field(default_factory=list)
    custom_field_values: dict[str, Any] = Field(default_factory=dict)
    created_by_user_id: UUID | None = None


class TaskUpdate(Model):
    """What to change of a task."""

    title: str | None = None
    description: str | None = None
    status: Status | None = None
    priority: str | None = None
    due_at: datetime | None = None
    assigned_agent_id: UUID | None = None
    depends_on_task_ids: list[UUID] | None = None
    tag_ids: list[UUID] | None = None
    custom_field_values: dict[str, Any] | None = None
    comment: Comment = Field(None, json_schema_extra={"minLength": 1})


class TaskRead(Model):
    """A task."""

    title: str
    description: str | None = None
    status: Status = "inbox"
    priority: str = "medium"
    due_at: datetime | None = None
    assigned_agent_id: UUID | None = None
    depends_on_task_ids: list[UUID] = Field(default_factory=list)
    tag_ids: list[UUID] = Field(default_factory=list)
    id: UUID
    board_id: UUID | None
    created_by_user_id: UUID | None
    in_progress_at: datetime | None
    created_at: datetime
    updated_at: datetime
    blocked_by_task_ids: list[UUID] = Field(default_factory=list)
    is_blocked: bool = False
    tags: list[TagRef] = Field(default_factory=list)
    custom_field_values: dict[str, Any] | None = None


class TaskCommentCreate(Model):
    """A new comment."""

    message: NonBlank


class TaskCommentRead(Model):
    """A comment."""

    id: UUID
    message: str | None
    agent_id: UUID | None
    task_id: UUID | None
    created_at: datetime


# -- approvals --------------------------------------------------------------------------------------------------------


class ApprovalCreate(Model):
    """A request for a decision."""

    action_type: str
    task_id: UUID | None = None
    task_ids: list[UUID] = Field(default_factory=list)
    payload: dict[str, Any] | None = None
    confidence: float = Field(ge=0, le=100, allow_inf_nan=False)
    rubric_scores: dict[str, int] | None = None
    status: Decision = "pending"
    agent_id: UUID | None = None
    lead_reasoning: str | None = None


class ApprovalUpdate(Model):
    """A decision."""

    status: Decision | None = None


class ApprovalRead(Model):
    """An approval."""

    action_type: str
    task_id: UUID | None = None
    task_ids: list[UUID] = Field(default_factory=list)
    payload: dict[str, Any] | None = None
    confidence: float = Field(ge=0, le=100)
    rubric_scores: dict[str, int] | None = None
    status: Decision = "pending"
    id: UUID
    board_id: UUID
    task_titles: list[str] = Field(default_factory=list)
    agent_id: UUID | None = None
    created_at: datetime
    resolved_at: datetime | None = None


# -- memory -----------------------------------------------------------------------------------------------------------


class BoardMemoryCreate(Model):
    """A new entry."""

    content: NonBlank
    tags: list[str] | None = None
    source: str | None = None


class BoardMemoryRead(Model):
    """An entry of a board's memory."""

    id: UUID
    board_id: UUID
    content: str
    tags: list[str] | None = None
    is_chat: bool = False
    source: str | None = None
    created_at: datetime


# -- agents -----------------------------------------------------------------------------------------------------------


class AgentCreate(Model):
    """A new agent."""

    name: NonBlank
    board_id: UUID | None = None
    status: str = "provisioning"
    heartbeat_config: dict[str, Any] | None = None
    identity_profile: Annotated[
        dict[str, Any] | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)
    ] = None
    identity_template: str | None = None
    soul_template: str | None = None


class AgentUpdate(Model):
    """What to change of an agent."""

    name: str | None = Field(None, json_schema_extra={"minLength": 1})
    board_id: UUID | None = None
    is_gateway_main: bool | None = None
    status: str | None = None
    heartbeat_config: dict[str, Any] | None = None
    identity_profile: Annotated[
        dict[str, Any] | None, BeforeValidator(lambda value: value if isinstance(value, dict) else None)
    ] = None
    identity_template: str | None = None
    soul_template: str | None = None


class AgentRead(Model):
    """An agent."""

    id: UUID
    name: str = Field(min_length=1)
    board_id: UUID | None = None
    gateway_id: UUID | None
    status: str = "provisioning"
    heartbeat_config: dict[str, Any] | None = None
    identity_profile: dict[str, Any] | None = None
    identity_template: str | None = None
    soul_template: str | None = None
    is_board_lead: bool = False
    is_gateway_main: bool = False
    openclaw_session_id: str | None = None
    last_seen_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class AgentHeartbeat(Model):
    """A sign of life."""

    status: str | None = None


class AgentHeartbeatCreate(AgentHeartbeat):
    """A sign of life of an agent that may not exist yet."""

    name: NonBlank
    board_id: UUID | None = None


class AgentHealthStatusResponse(HealthStatusResponse):
    """Whether an agent's token works, and whose it is."""

    agent_id: UUID
    board_id: UUID | None = None
    gateway_id: UUID | None
    status: str
    is_board_lead: bool


# -- people -----------------------------------------------------------------------------------------------------------


class UserUpdate(Model):
    """What to change of one's profile."""

    name: str | None = None
    preferred_name: str | None = None
    pronouns: str | None = None
    timezone: str | None = None
    notes: str | None = None
    context: str | None = None


class UserRead(UserUpdate):
    """A person."""

    id: UUID
    clerk_user_id: str
    email: str | None = None
    is_super_admin: bool


class OrganizationRead(Model):
    """An organisation."""

    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime


class OrganizationListItem(Model):
    """An organisation among one's own."""

    id: UUID
    name: str
    role: str
    is_active: bool


class OrganizationUserRead(Model):
    """A person as a member."""

    id: UUID
    email: str | None = None
    name: str | None = None
    preferred_name: str | None = None


class OrganizationBoardAccessRead(Model):
    """A right on one board."""

    id: UUID
    board_id: UUID
    can_read: bool
    can_write: bool
    created_at: datetime
    updated_at: datetime


class OrganizationMemberRead(Model):
    """A membership."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    role: str
    all_boards_read: bool
    all_boards_write: bool
    created_at: datetime
    updated_at: datetime
    user: OrganizationUserRead | None = None
    board_access: list[OrganizationBoardAccessRead] = Field(default_factory=list)
