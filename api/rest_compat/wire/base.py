"""What all REST models share."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

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
    ctx: Annotated[dict[str, Any], WithJsonSchema({"type": "object"})] = Field(default_factory=dict)


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
