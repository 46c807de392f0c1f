"""What `gramwise inspect` says about a model, as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gramwise.core.model import Layer, ModelGraph, Work
from gramwise.core.units import FLOP_PER_MAC

from .cuts import legal_cuts
from .load import load_graph
from .operators import MULTIPLY_ADD
from .symbols import size_formulas, text_of

SCHEMA = "gramwise.inspect/1"


def inspect_model(path: str | Path, batch: int = 1, dims: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Layers, FLOP, bytes and cuts of an ONNX model.

    Args:
        path: the file.
        batch: size of an open batch dimension.
        dims: size of other open dimensions by name.

    Returns:
        A document of plain dicts, lists, strings and numbers, ``schema`` = ``gramwise.inspect/1``. Its totals
        leave out the FLOP of the operators listed under ``uncounted_ops``, of which only the bytes are known. Where
        the model leaves dimensions open, each cut has a ``formula`` of its bytes in them, such as ``4 x batch x 768``;
        None where its size depends on more than those.

    Raises:
        ModelError, UnknownShape, SourceUnavailable: as `load_graph`.
    """
    graph = load_graph(path, batch=batch, dims=dims)
    formulas = size_formulas(path)
    is_open = any(formula is None or formula.symbols for formula in map(formulas.get, graph.inputs))
    total = graph.work
    return {
        "schema": SCHEMA,
        "name": graph.name,
        "digest": graph.digest,
        "batch": batch,
        "weight_bytes": graph.weight_bytes,
        "multiply_adds": multiply_adds(graph),
        **_work(total),
        "inputs": {name: graph.tensor_bytes[name] for name in graph.inputs},
        "outputs": {name: graph.tensor_bytes[name] for name in graph.outputs},
        "layers": [_layer(layer) for layer in graph.layers],
        "by_op": _by_op(graph),
        "uncounted_ops": list(graph.uncounted_ops),
        "cuts": [
            {
                "position": cut.position,
                "after": cut.after,
                "bytes": cut.bytes,
                "tensors": list(cut.tensors),
                **({"formula": text_of(map(formulas.get, cut.tensors))} if is_open else {}),
            }
            for cut in legal_cuts(graph)
        ],
    }


def multiply_adds(graph: ModelGraph) -> int:
    """Multiply-adds of convolutions, matrix products, attention and recurrent layers: half their FLOP."""
    return round(sum(layer.work.flop for layer in graph.layers if layer.op in MULTIPLY_ADD) / FLOP_PER_MAC)


def _work(work: Work) -> dict[str, float]:
    return {"flop": work.flop, "read_bytes": work.read_bytes, "write_bytes": work.write_bytes}


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op": layer.op,
        **_work(layer.work),
        "weight_bytes": layer.weight_bytes,
        "precision": layer.precision,
        "counted": layer.counted,
    }


def _by_op(graph: ModelGraph) -> list[dict[str, Any]]:
    """Sums by operator type, the most FLOP first."""
    kinds: dict[str, list[Layer]] = {}
    for layer in graph.layers:
        kinds.setdefault(layer.op, []).append(layer)
    rows = [
        {
            "op": op,
            "layers": len(layers),
            **_work(sum((layer.work for layer in layers), Work())),
            "weight_bytes": sum(layer.weight_bytes for layer in layers),
        }
        for op, layers in kinds.items()
    ]
    return sorted(rows, key=lambda row: (-float(str(row["flop"])), str(row["op"])))
