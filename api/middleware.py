"""What stands around every answer: request id, security headers, CORS, one log line, and errors that nobody caught."""

from __future__ import annotations

import re
import time
from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

from api.domain.database import translate
from api.domain.errors import Code, DomainError
from api.rest_compat.table import error_response
from api.settings import Settings

log = structlog.get_logger("api.http")

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_HEALTH = {"/health", "/healthz", "/readyz"}
_EXPOSED = ["X-Total-Count", "X-Limit", "X-Offset", "X-Request-Id", "Retry-After"]
Scope = MutableMapping[str, Any]


class RequestId:
    """Gives every request an id, bound to its log lines and sent back."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.headers = {
            name: value.strip()
            for name, value in {
                "X-Content-Type-Options": settings.security_header_x_content_type_options,
                "X-Frame-Options": settings.security_header_x_frame_options,
                "Referrer-Policy": settings.security_header_referrer_policy,
                "Permissions-Policy": settings.security_header_permissions_policy,
            }.items()
            if value.strip()
        }

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        sent = (
            next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1").strip()
        )
        request_id = sent if _REQUEST_ID.fullmatch(sent) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
                self._log(scope, status, (time.perf_counter() - started) * 1000)
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _log(self, scope: Scope, status: int, duration: float) -> None:
        path = scope["path"]
        if path in _HEALTH and not self.settings.request_log_include_health:
            return
        fields = {
            "method": scope["method"],
            "path": path,
            "status_code": status,
            "duration_ms": round(duration, 1),
        }
        level = log.error if status >= 500 else log.warning if status >= 400 else log.debug
        level("http.request.complete", **fields)
        slow = self.settings.request_log_slow_ms
        if slow and duration >= slow:
            log.warning("http.request.slow", slow_threshold_ms=slow, **fields)


class Errors:
    """Turns what was raised into an answer; text of unexpected errors goes to the log only."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False
        extra: dict[str, str] = {}

        async def watch(message: Any) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
            return
        except DomainError as error:
            known = error
        except ClientDisconnect:
            return
        except HTTPException as error:
            codes = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}
            known = DomainError(code=codes.get(error.status_code, Code.BAD_REQUEST))
            extra = dict(error.headers or {})
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            known = translate(error) or DomainError(code=Code.INTERNAL)
            self._log(scope, known, error)
        except Exception as error:
            known = DomainError(code=Code.INTERNAL)
            self._log(scope, known, error)
        if not begun:
            response = error_response(known, scope["state"]["request_id"])
            response.headers.update(extra)
            await response(scope, receive, send)

    @staticmethod
    def _log(scope: Scope, known: DomainError, error: Exception) -> None:
        if known.code is Code.INTERNAL:
            log.error("unhandled_exception", path=scope["path"], exc_info=error)


class HeadAsGet:
    """HEAD is GET without a body, on every route."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        scope["method"], scope["head"] = "GET", True

        async def send_head(message: Any) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self.app(scope, receive, send_head)


def wrap(app: Any, settings: Settings) -> Any:
    """From outside in: request id and security headers, CORS, errors, routes."""
    app = Errors(HeadAsGet(app))
    if settings.cors_origins:
        app = CORSMiddleware(
            app, allow_origins=list(settings.cors_origins), allow_credentials="*" not in settings.cors_origins,
            allow_methods=["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"], allow_headers=["*"],
            expose_headers=_EXPOSED, max_age=600,
        )  # fmt: skip
    return RequestId(app, settings)
