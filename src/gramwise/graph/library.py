"""The one place that imports onnx, so that its absence is answered once and a base install never loads it."""

from __future__ import annotations

import importlib
from typing import Any

from gramwise.core.errors import SourceUnavailable


def onnx_library() -> Any:
    """The ``onnx`` package with its shape inference.

    Returns:
        The module ``onnx``; ``onnx.helper``, ``onnx.numpy_helper`` and ``onnx.shape_inference`` are loaded.

    Raises:
        SourceUnavailable: it is not installed; the message names the install command.
    """
    try:
        onnx = importlib.import_module("onnx")
        for part in ("helper", "inliner", "numpy_helper", "shape_inference"):
            importlib.import_module(f"onnx.{part}")
    except ImportError as error:
        raise SourceUnavailable(
            "reading ONNX graphs needs the onnx package: pip install 'gramwise[plan]'"
        ) from error
    return onnx
