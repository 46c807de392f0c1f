"""The public surface: what `import gramwise` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import gramwise


def test_names_are_sorted_and_all_resolve() -> None:
    assert gramwise.__all__ == sorted(gramwise.__all__)
    for name in gramwise.__all__:
        assert getattr(gramwise, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'gramwise' has no attribute 'grammes'"):
        _ = gramwise.grammes


def test_the_import_loads_nothing_heavy() -> None:
    heavy = {"numpy", "onnxruntime", "onnx", "scipy", "pydantic", "matplotlib", "rich", "typer"}
    code = "import sys, gramwise; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "gramwise" in loaded
    assert heavy.isdisjoint(loaded)
