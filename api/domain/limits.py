"""Rate limits: a sliding window a key, shared by all processes through the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, TextClause, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from api.domain.database import Database
from api.domain.database.base import Base
from api.domain.errors import Code, DomainError


class RateWindow(Base):
    """The last attempts of a key, as seconds since the epoch; losing them in a crash harms nobody."""

    __tablename__ = "rate_windows"
    name: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    hits: Mapped[list[float]] = mapped_column(ARRAY(Float()))

    __table_args__ = {"prefixes": ["UNLOGGED"]}


_NOW = "extract(epoch FROM clock_timestamp())"
# One more than allowed is kept: a full window that is hammered on stays full. The next hit is allowed when the
# second of them has left.
_HIT = text(
    f"INSERT INTO rate_windows AS w (name, key, hits) VALUES (:name, :key, ARRAY[{_NOW}]) ON CONFLICT (name, key) "
    "DO UPDATE SET hits = (ARRAY(SELECT h FROM (SELECT h FROM unnest(w.hits) AS h "
    f"WHERE h > {_NOW} - :seconds ORDER BY h DESC LIMIT :amount) AS kept ORDER BY h)) || {_NOW} "
    f"RETURNING cardinality(hits) AS used, hits[2] + :seconds - {_NOW} AS wait"
)
_CHECK = text(
    f"SELECT count(*) AS used, (array_agg(h ORDER BY h DESC))[:amount] + :seconds - {_NOW} AS wait "
    f"FROM rate_windows, unnest(hits) AS h WHERE name = :name AND key = :key AND h > {_NOW} - :seconds"
)
_SWEEP = text(f"DELETE FROM rate_windows WHERE hits[cardinality(hits)] < {_NOW} - 3600")


class RateLimit:
    """At most `amount` hits in `seconds` a key."""

    def __init__(self, database: Database, name: str, amount: int, seconds: float = 60.0) -> None:
        self.database = database
        self.name, self.amount, self.seconds = name, amount, seconds

    async def hit(self, key: str) -> None:
        """Count one. Raises `RATE_LIMITED` when the window was full; a refused hit counts as well."""
        row = await self._run(_HIT, key)
        if row.used > self.amount:
            raise self._refusal(row.wait)

    async def check(self, key: str) -> None:
        """Raise `RATE_LIMITED` when the window is full, without counting."""
        row = await self._run(_CHECK, key)
        if row.used >= self.amount:
            raise self._refusal(row.wait)

    async def _run(self, statement: TextClause, key: str) -> Any:
        values = {"name": self.name, "key": key[:200], "seconds": self.seconds, "amount": self.amount}
        values = {name: value for name, value in values.items() if name in statement._bindparams}
        async with self.database.statements() as connection:
            return (await connection.execute(statement, values)).one()

    @staticmethod
    def _refusal(wait: float | None) -> DomainError:
        return DomainError(code=Code.RATE_LIMITED, retry_after=max(int(wait or 0) + 1, 1))


async def sweep_windows(database: Database) -> None:
    """Forget keys that nobody has used for an hour."""
    async with database.statements() as connection:
        await connection.execute(_SWEEP)
