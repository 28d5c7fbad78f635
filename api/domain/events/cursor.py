"""A position in the event log that never skips and never repeats.

The log's one order is `(xid, seq)`: the number of the writing transaction, then the row's sequence. Transactions commit
out of that order, so readers take only rows below the oldest transaction still running. A cursor that comes from a
*read* also carries the read's snapshot (PostgreSQL's `xmin:xmax:running`): what the read has seen is passed over, and
what it could not see yet is delivered later, even when that has a smaller number than something it did see.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, tuple_

from api.domain.errors import Invalid

_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """`(xid, seq)` passed, in life `epoch` of the log; below `xmax` only the `running` transactions are still new."""

    epoch: int
    xid: int
    seq: int
    xmax: int = 0
    running: tuple[int, ...] = ()

    @classmethod
    def of_snapshot(cls, epoch: int, snapshot: str) -> Cursor:
        """The cursor of a read, from the text of `pg_current_snapshot()`."""
        low, high, running = snapshot.split(":")
        return cls(epoch, int(low), 0, int(high), tuple(int(xid) for xid in running.split(",") if xid))

    def is_new(self, xid: int, seq: int) -> bool:
        """Whether the holder of this cursor has not seen the event at `(xid, seq)`."""
        return (xid, seq) > (self.xid, self.seq) and (xid >= self.xmax or xid in self.running)

    def advance(self, xid: int, seq: int) -> Cursor:
        """The cursor after the event at `(xid, seq)`; the snapshot is dropped once it has nothing left to say."""
        if xid >= self.xmax:
            return Cursor(self.epoch, xid, seq)
        return replace(self, xid=xid, seq=seq)

    def condition(self, xid: Any, seq: Any) -> ColumnElement[bool]:
        """`is_new` as SQL over two columns."""
        later = tuple_(xid, seq) > tuple_(self.xid, self.seq)
        if not self.xmax:
            return later
        return and_(later, or_(xid >= self.xmax, xid.in_(self.running)))

    def __str__(self) -> str:
        numbers = [self.epoch, self.xid, self.seq, *([self.xmax, *self.running] if self.xmax else [])]
        text = ".".join(map(str, numbers))
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor that a client sends back. Raises `Invalid` for anything we did not make."""
        try:
            raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode("ascii")
            numbers = [int(part) for part in raw.split(".") if part.isdigit()]
            if len(numbers) != raw.count(".") + 1 or len(numbers) < 3 or len(numbers) > 2000 or max(numbers) > _LARGEST:
                raise ValueError(raw)
        except (ValueError, binascii.Error):
            raise Invalid("This is not a cursor of ours.", cursor=text[:200]) from None
        epoch, xid, seq, *snapshot = numbers
        return cls(epoch, xid, seq, snapshot[0] if snapshot else 0, tuple(snapshot[1:]))
