"""The loopback provider that the tests of sources ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback import Loopback


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """A real HTTP server on this machine, which no proxy setting can lead around."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Loopback()
    yield server
    server.close()
