"""One gateway a test session: it takes its time to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.openclaw import Gateway, running


@pytest.fixture(scope="session")
def openclaw() -> Iterator[Gateway]:
    """A real gateway."""
    with running() as found:
        yield found
