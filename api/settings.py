"""Every environment variable, its default and its check.

Names without the prefix `MISSION_CONTROL_` are those of the reference implementation and keep their meaning;
ours carry the prefix. Values come from the environment, then `.env`, then `backend/.env`, then the default.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

WEAK_TOKENS = {"change-me", "changeme", "replace-me", "replace-with-strong-random-token"}
MINIMUM_TOKEN_LENGTH = 50
OURS = "MISSION_CONTROL_"


class InvalidSettings(Exception):
    """A setting has a value that is not allowed; `lines` holds one sentence per variable, free of secrets."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _comma_list(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]


def ours(default: Any = ..., **kwargs: Any) -> Any:
    """A field whose variable is `MISSION_CONTROL_<NAME>`."""
    return Field(default, json_schema_extra={"ours": True}, **kwargs)


class Settings(BaseSettings):
    """The server's configuration; see `docs/configuration.md` for the table of variables."""

    model_config = SettingsConfigDict(
        env_file=("backend/.env", ".env"), env_file_encoding="utf-8", extra="ignore", case_sensitive=False,
        env_ignore_empty=False, validate_default=False,
    )  # fmt: skip

    # The reference's names
    environment: str = "dev"
    database_url: str = ""
    auth_mode: Literal["local", "clerk", "oidc"] = "local"
    local_auth_token: SecretStr = SecretStr("")
    clerk_secret_key: SecretStr = SecretStr("")
    clerk_api_url: str = "https://api.clerk.com"
    clerk_jwks_url: str = ""
    clerk_verify_iat: bool = True
    clerk_leeway: float = Field(10.0, ge=0, le=300)
    cors_origins: CommaList = ()
    base_url: str = ""
    security_header_x_content_type_options: str = "nosniff"
    security_header_x_frame_options: str = "DENY"
    security_header_referrer_policy: str = "strict-origin-when-cross-origin"
    security_header_permissions_policy: str = ""
    webhook_max_payload_bytes: int = Field(1_048_576, ge=1)
    rate_limit_backend: Literal["memory", "redis"] = "memory"
    rate_limit_redis_url: str = ""
    trusted_proxies: CommaList = ()
    db_auto_migrate: bool | None = None
    rq_redis_url: str = ""
    rq_queue_name: str = ""
    rq_dispatch_throttle_seconds: float | None = None
    rq_dispatch_max_retries: int = Field(3, ge=0)
    rq_dispatch_retry_base_seconds: float = Field(10.0, ge=0)
    rq_dispatch_retry_max_seconds: float = Field(120.0, ge=0)
    gateway_min_version: str = "2026.02.9"
    openclaw_gateway_device_identity_path: str = ""
    log_level: str = "INFO"
    log_format: Literal["text", "json", "auto"] = "auto"
    log_use_utc: bool = False
    request_log_slow_ms: int = Field(1000, ge=0)
    request_log_include_health: bool = False

    # Ours
    data: Path = ours(Path(platformdirs.user_data_dir("mission-control")))
    host: str = ours("127.0.0.1")
    port: int = ours(8000, ge=0, le=65535)
    secret_key: SecretStr = ours(SecretStr(""))
    clerk_issuer: str = ours("")
    clerk_audience: CommaList = ours(())
    clerk_authorized_parties: CommaList = ours(())
    oidc_issuer: str = ours("")
    oidc_audience: CommaList = ours(())
    oidc_jwks_url: str = ours("")
    event_retention_days: int = ours(7, ge=1)
    job_retention_days: int = ours(30, ge=1)
    webhook_payload_retention_days: int = ours(30, ge=1)
    pool_size: int = ours(10, ge=2, le=200)
    write_timeout_seconds: int = ours(15, ge=1)
    max_body_bytes: int = ours(10 * 1024 * 1024, ge=1024)
    max_query_depth: int = ours(15, ge=3)
    max_query_tokens: int = ours(5000, ge=100)
    max_query_aliases: int = ours(50, ge=1)
    max_query_width: int = ours(200, ge=10)
    max_query_nodes: int = ours(500_000, ge=1000)
    max_introspection_lists: int = ours(3, ge=2)
    max_page_size: int = ours(200, ge=1)
    max_operations_per_socket: int = ours(100, ge=1)
    subscriber_buffer: int = ours(1000, ge=10)
    introspection_for_anonymous: bool = ours(True)
    stall_after_seconds: int = ours(600, ge=1)
    sweep_seconds: float = ours(15.0, gt=0)
    default_skill_packs: bool = ours(True)
    invite_lifetime_days: int | None = ours(None, ge=1)
    souls_directory_url: str = ours("https://souls.directory")
    skill_archive_url: str = ours("https://codeload.github.com")
    allow_private_addresses: bool = ours(False)

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        return (init_settings,)

    @field_validator("gateway_min_version")
    @classmethod
    def _some_version(cls, value: str) -> str:
        return value.strip() or cls.model_fields["gateway_min_version"].default

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        level = value.strip().upper()
        if level not in {"TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"} and not level.isdigit():
            raise ValueError("allowed: TRACE, DEBUG, INFO, WARNING, ERROR, CRITICAL or a number")
        return level

    @field_validator("log_format", mode="before")
    @classmethod
    def _known_format(cls, value: Any) -> Any:
        return value if value in ("text", "json", "auto") else "text"

    @field_validator("base_url")
    @classmethod
    def _absolute_url(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if not value:
            return ""
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("allowed: an absolute http or https URL with a host")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql_only(cls, value: str) -> str:
        value = value.strip()
        if not value:
            return ""
        scheme, separator, rest = value.partition("://")
        if not separator or scheme not in {
            "postgresql", "postgres", "postgresql+psycopg", "postgresql+asyncpg", "postgresql+psycopg2",
        }:  # fmt: skip
            raise ValueError(
                "allowed: postgresql://…, also with +psycopg or +asyncpg, or unset for the embedded database"
            )
        return f"postgresql+asyncpg://{rest}"

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            try:
                ipaddress.ip_network(entry, strict=False)
            except ValueError:
                raise ValueError(f"allowed: addresses or networks separated by commas; {entry!r} is neither") from None
        return value

    @field_validator("local_auth_token")
    @classmethod
    def _strong_token(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value().strip()
        if token and (len(token) < MINIMUM_TOKEN_LENGTH or token.lower() in WEAK_TOKENS):
            raise ValueError(f"allowed: at least {MINIMUM_TOKEN_LENGTH} characters, or unset to have one made")
        return SecretStr(token)

    @field_validator("data")
    @classmethod
    def _expanded(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _mode_has_what_it_needs(self) -> Settings:
        if (
            self.auth_mode == "clerk"
            and not self.clerk_secret_key.get_secret_value().strip()
            and not self.clerk_jwks_url
        ):
            raise ValueError("CLERK_SECRET_KEY: required when AUTH_MODE is clerk (or set CLERK_JWKS_URL)")
        if self.auth_mode == "oidc" and not self.oidc_issuer:
            raise ValueError("MISSION_CONTROL_OIDC_ISSUER: required when AUTH_MODE is oidc")
        if self.rate_limit_backend == "redis" and not (self.rate_limit_redis_url + self.rq_redis_url).strip():
            raise ValueError("RATE_LIMIT_REDIS_URL: required when RATE_LIMIT_BACKEND is redis")
        return self

    @property
    def migrate_at_start(self) -> bool:
        """Unset means yes: nothing set is a good start."""
        return True if self.db_auto_migrate is None else self.db_auto_migrate

    @property
    def identity_file(self) -> Path:
        """Where the key is with which this installation identifies itself to gateways."""
        text = self.openclaw_gateway_device_identity_path.strip()
        return Path(text).expanduser().absolute() if text else self.data / "gateway-identity.json"

    @property
    def public_url(self) -> str:
        """The address under which agents and people reach this server, without a trailing slash."""
        return self.base_url or f"http://{self.host}:{self.port}"


def variable_of(field: str) -> str:
    """The environment name of a settings field."""
    extra = Settings.model_fields[field].json_schema_extra
    return (OURS if isinstance(extra, dict) and extra.get("ours") else "") + field.upper()


def masked(value: Any) -> str:
    """A value as it may be shown: without the password of a URL."""
    return re.sub(r"(://[^:/@\s]*:)[^@/\s]*@", r"\1***@", str(value))


def _is_text(field: str) -> bool:
    return Settings.model_fields[field].annotation is str


def _environment() -> dict[str, str]:
    values: dict[str, str] = {}
    for file in (Path("backend/.env"), Path(".env")):
        if file.is_file():
            for line in file.read_text(encoding="utf-8").splitlines():
                name, separator, value = line.strip().partition("=")
                if separator and not name.startswith("#"):
                    values[name.removeprefix("export ").strip().upper()] = value.strip().strip("'\"")
    values.update({name.upper(): value for name, value in os.environ.items()})
    for name in map(variable_of, Settings.model_fields):
        secret = values.get(f"{name}_FILE")
        if secret and name not in values:
            try:
                values[name] = Path(secret).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise InvalidSettings([f"{name}_FILE = {secret!r}: this file cannot be read as text"]) from None
    return values


def load_settings(**overrides: Any) -> Settings:
    """Read the settings once; raises `InvalidSettings` that names each wrong variable and what is allowed."""
    environment = _environment()
    given: dict[str, Any] = {}
    for field in Settings.model_fields:
        value = environment.get(variable_of(field))
        if value is not None and (value.strip() or _is_text(field)):
            given[field] = value
    given.update({name: value for name, value in overrides.items() if value is not None})
    try:
        return Settings(**given)
    except ValidationError as error:
        raise InvalidSettings([_sentence(entry, given) for entry in error.errors()]) from None


def _sentence(entry: Any, given: dict[str, Any]) -> str:
    message = str(entry["msg"]).removeprefix("Value error, ")
    if not entry["loc"]:
        return message
    field = str(entry["loc"][0])
    secret = Settings.model_fields[field].annotation is SecretStr
    shown = "" if secret else f" = {masked(given.get(field, ''))!r}"
    if entry["type"] == "literal_error":
        message = "allowed: " + str(entry["ctx"]["expected"])
    return f"{variable_of(field)}{shown}: {message}"
