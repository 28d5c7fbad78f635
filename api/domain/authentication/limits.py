"""Counting failed attempts: a sliding window a key, in the memory of the process."""

from __future__ import annotations

import time
from collections import deque

from api.domain.errors import Code, DomainError


class FailureLimit:
    """At most `amount` failures in `seconds` a key. Good credentials are never refused; only misses ask here."""

    def __init__(self, amount: int = 20, seconds: float = 60.0) -> None:
        self.amount = amount
        self.seconds = seconds
        self._failures: dict[str, deque[float]] = {}
        self._calls = 0

    def failed(self, key: str) -> None:
        """Record one failure. Raises `RATE_LIMITED` when the key has used up its failures."""
        moment = time.monotonic()
        self._sweep(moment)
        window = self._failures.setdefault(key, deque(maxlen=self.amount))
        while window and window[0] <= moment - self.seconds:
            window.popleft()
        refused = len(window) >= self.amount
        oldest = window[0] if window else moment
        window.append(moment)
        if refused:
            wait = max(int(oldest + self.seconds - moment) + 1, 1)
            raise DomainError(code=Code.RATE_LIMITED, retry_after=wait)

    def check(self, key: str) -> None:
        """Raise `RATE_LIMITED` when the key has used up its failures, without recording one."""
        window = self._failures.get(key)
        moment = time.monotonic()
        if window is not None and len(window) >= self.amount and window[0] > moment - self.seconds:
            wait = max(int(window[0] + self.seconds - moment) + 1, 1)
            raise DomainError(code=Code.RATE_LIMITED, retry_after=wait)

    def _sweep(self, moment: float) -> None:
        self._calls += 1
        if self._calls % 128 == 0:
            for key in [key for key, window in self._failures.items() if window[-1] <= moment - self.seconds]:
                del self._failures[key]
