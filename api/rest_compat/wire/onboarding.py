"""The conversation that sets a board up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from api.rest_compat.wire.base import Model, NonBlank


class BoardOnboardingStart(Model):
    """Begin the conversation."""


class BoardOnboardingAnswer(Model):
    """A person's answer."""

    answer: NonBlank
    other_text: str | None = None


class BoardOnboardingConfirm(Model):
    """The goal as the person confirms it."""

    board_type: str
    objective: str | None = None
    success_metrics: dict[str, Any] | None = None
    target_date: datetime | None = None


class BoardOnboardingQuestionOption(Model):
    """One possible answer."""

    id: NonBlank
    label: NonBlank


class BoardOnboardingAgentQuestion(Model):
    """The agent's next question."""

    options: list[BoardOnboardingQuestionOption] = Field(min_length=1)
    question: NonBlank


class BoardOnboardingUserProfile(Model):
    """What the agent learnt about the person."""

    context: str | None = None
    notes: str | None = None
    preferred_name: str | None = None
    pronouns: str | None = None
    timezone: str | None = None


class BoardOnboardingLeadAgentDraft(Model):
    """The lead that the board shall get."""

    autonomy_level: Literal["ask_first", "balanced", "autonomous"] | None = None
    custom_instructions: str | None = None
    identity_profile: Annotated[
        dict[str, str] | None,
        BeforeValidator(lambda v: {k: e for k, e in v.items() if e is not None} if isinstance(v, dict) else v),
    ] = None
    name: NonBlank | None = None
    output_format: Literal["bullets", "mixed", "narrative"] | None = None
    update_cadence: Literal["asap", "hourly", "daily", "weekly"] | None = None
    verbosity: Literal["concise", "balanced", "detailed"] | None = None


class BoardOnboardingAgentComplete(Model):
    """The agent's draft of the goal, which ends its questions."""

    board_type: str
    status: Literal["complete"]
    lead_agent: BoardOnboardingLeadAgentDraft | None = None
    objective: str | None = None
    success_metrics: dict[str, Any] | None = None
    target_date: datetime | None = None
    user_profile: BoardOnboardingUserProfile | None = None


class BoardOnboardingRead(Model):
    """The conversation that sets a board up."""

    id: UUID
    board_id: UUID
    created_at: datetime
    session_key: str
    status: str
    updated_at: datetime
    draft_goal: BoardOnboardingAgentComplete | None = None
    messages: list[dict[str, Any]] | None = None
