"""Fixtures of the report's tests: run directories on disk, and a bench document to bend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report_runs import Make, summary_document, write_run

from gramwise.report.load import Run, load_run


@pytest.fixture
def document() -> dict[str, Any]:
    """A fresh bench document to bend."""
    return summary_document()


@pytest.fixture
def make_run(tmp_path: Path) -> Make:
    """Writes a run directory of a name (see `report_runs.write_run`) and returns it."""

    def make(name: str = "r1", **changes: Any) -> Path:
        return write_run(tmp_path / name, **changes)

    return make


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The usual finished run, read once: drawing it takes a second."""
    return load_run(write_run(tmp_path_factory.mktemp("runs") / "r1"))
