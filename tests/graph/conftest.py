"""Small ONNX models written on the spot, saved where a test can load them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

Save = Callable[..., Path]
Dims = Sequence[str | int | None]


@pytest.fixture
def save_model(tmp_path: Path) -> Save:
    """``save_model(nodes, inputs, outputs, constants)``: shapes by name, arrays by name; returns the file."""

    def write(
        nodes: Sequence[Any],
        inputs: Mapping[str, Dims],
        outputs: Mapping[str, Dims | None],
        constants: Mapping[str, Any] | None = None,
        *,
        element: int = TensorProto.FLOAT,
        opset: int = 17,
        functions: Sequence[Any] = (),
        known: Mapping[str, Dims] | None = None,
    ) -> Path:
        graph = helper.make_graph(
            list(nodes),
            "small",
            [helper.make_tensor_value_info(name, element, dims) for name, dims in inputs.items()],
            [helper.make_tensor_value_info(name, element, dims) for name, dims in outputs.items()],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
            value_info=[helper.make_tensor_value_info(n, element, dims) for n, dims in (known or {}).items()],
        )
        domains = [("", opset), ("com.microsoft", 1), ("example", 1)]
        opsets = [helper.make_opsetid(domain, version) for domain, version in domains]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, functions=list(functions))
        file = tmp_path / "small.onnx"
        save(model, file)
        return file

    return write
