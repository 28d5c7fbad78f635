"""The browser, and the pages of a small client on an origin of its own."""

from tests.browser.conftest import chromium

__all__ = ["chromium"]
