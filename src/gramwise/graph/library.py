"""The one place that imports onnx, so that its absence is answered once and a base install never loads it."""

from __future__ import annotations

import importlib
from typing import Any

from gramwise.core.errors import SourceUnavailable


def onnx_library() -> Any:
    """The ``onnx`` package with its shape inference and its extraction.

    Returns:
        The module ``onnx``; ``helper``, ``inliner``, ``numpy_helper``, ``shape_inference`` and ``utils`` are loaded.

    Raises:
        SourceUnavailable: it is not installed; the message names the install command.
    """
    try:
        onnx = importlib.import_module("onnx")
        for part in ("helper", "inliner", "numpy_helper", "shape_inference", "utils"):
            importlib.import_module(f"onnx.{part}")
    except ImportError as error:
        raise SourceUnavailable(
            "reading ONNX graphs needs the onnx package: pip install 'gramwise[plan]'"
        ) from error
    return onnx
