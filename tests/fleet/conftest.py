"""A valid scenario in a file of its own, and a way to change one line of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

VALID = (Path(__file__).parent / "valid.toml").read_text("utf-8")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes the valid scenario with one text replaced; the text must occur, or the test tests nothing."""

    def write(old: str = "", new: str = "", text: str = VALID) -> Path:
        assert old in text
        file = tmp_path / "scenario.toml"
        file.write_text(text.replace(old, new, 1) if old else text, "utf-8")
        return file

    return write
