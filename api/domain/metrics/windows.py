"""The dashboard's windows of time and their buckets. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

#: Each range: how long its window is, and what one bucket is.
RANGES: dict[str, tuple[timedelta, str]] = {
    "24h": (timedelta(hours=24), "hour"), "3d": (timedelta(days=3), "day"), "7d": (timedelta(days=7), "day"),
    "14d": (timedelta(days=14), "day"), "1m": (timedelta(days=30), "day"), "3m": (timedelta(days=90), "week"),
    "6m": (timedelta(days=180), "week"), "1y": (timedelta(days=365), "month"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` to `end`, both included, in UTC; `starts` are the beginnings of its buckets."""

    range: str
    bucket: str
    start: datetime
    end: datetime
    starts: tuple[datetime, ...]


def window(key: str, end: datetime) -> Window:
    """The window of a range that ends at a moment. Raises `KeyError` for an unknown range."""
    length, bucket = RANGES[key]
    starts, moment = [], floor(end - length, bucket)
    while moment <= end:
        starts.append(moment)
        moment = following(moment, bucket)
    return Window(key, bucket, end - length, end, tuple(starts))


def windows(key: str, now: datetime) -> tuple[Window, Window]:
    """The window that ends now, and the one of the same length before it."""
    return window(key, now), window(key, now - RANGES[key][0])


def floor(moment: datetime, bucket: str) -> datetime:
    """The beginning of the bucket that a moment is in; weeks begin on Monday."""
    if bucket == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if bucket == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if bucket == "month" else day


def following(start: datetime, bucket: str) -> datetime:
    """The beginning of the next bucket."""
    if bucket == "month":
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start + {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[bucket]
