"""Skills, packs and souls."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import AnyHttpUrl, Field

from api.rest_compat.wire.base import Model, NonBlank


class MarketplaceSkillCreate(Model):
    """A skill by its address."""

    source_url: AnyHttpUrl
    description: str | None = None
    name: NonBlank | None = None


class MarketplaceSkillRead(Model):
    """A skill."""

    id: UUID
    created_at: datetime
    name: str
    organization_id: UUID
    source_url: str
    updated_at: datetime
    category: str | None = None
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    risk: str | None = None
    source: str | None = None


class MarketplaceSkillCardRead(Model):
    """A skill, and whether a gateway has it."""

    id: UUID
    created_at: datetime
    installed: bool
    name: str
    organization_id: UUID
    source_url: str
    updated_at: datetime
    category: str | None = None
    description: str | None = None
    installed_at: datetime | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    risk: str | None = None
    source: str | None = None


class MarketplaceSkillActionResponse(Model):
    """The request to install or remove is on its way."""

    gateway_id: UUID
    installed: bool
    skill_id: UUID
    ok: bool = True


class SkillPackCreate(Model):
    """A repository of skills."""

    source_url: AnyHttpUrl
    branch: str = "main"
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    name: NonBlank | None = None


class SkillPackRead(Model):
    """A repository of skills."""

    id: UUID
    branch: str
    created_at: datetime
    name: str
    organization_id: UUID
    source_url: str
    updated_at: datetime
    description: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    skill_count: int = 0


class SkillPackSyncResponse(Model):
    """What a sync of a pack did."""

    created: int
    pack_id: UUID
    synced: int
    updated: int
    ok: bool = True
    warnings: list[str] = Field(default_factory=list)


class SoulsDirectorySoulRef(Model):
    """Where a soul is found."""

    handle: str
    page_url: str
    raw_md_url: str
    slug: str


class SoulsDirectorySearchResponse(Model):
    """The souls that match."""

    items: list[SoulsDirectorySoulRef]


class SoulsDirectoryMarkdownResponse(Model):
    """A soul."""

    content: str
    handle: str
    slug: str
