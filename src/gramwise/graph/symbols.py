"""Sizes of tensors as functions of the dimensions that a model leaves open: batch, sequence and the like.

A cut is chosen before it is known how long a sentence or how large a batch will be. What travels there is then a
product such as ``4 x batch x sequence x 768``. The shapes are those of onnx's own inference with the open dimensions
left open; a size that it cannot tell is unknown here, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from gramwise.core.errors import UnknownShape, did_you_mean

from .load import read_model
from .shapes import declared, named_dims, tensor_of


class Formula(NamedTuple):
    """The size of a tensor.

    Attributes:
        sizes: each dimension, a number or the name of an open one.
        bits: of an element.
    """

    sizes: tuple[int | str, ...]
    bits: int

    @property
    def symbols(self) -> frozenset[str]:
        """Names of the open dimensions."""
        return frozenset(size for size in self.sizes if isinstance(size, str))

    def bytes(self, dims: Mapping[str, int]) -> int:
        """The size with these open dimensions; packed types are rounded up to whole bytes.

        Raises:
            UnknownShape: an open dimension that ``dims`` does not have.
        """
        for name in sorted(self.symbols - dims.keys()):
            raise UnknownShape(f"dimension {name!r} is open: say how large it is. {did_you_mean(name, dims)}")
        sizes = [dims[size] if isinstance(size, str) else size for size in self.sizes]
        return -(-math.prod(sizes) * self.bits // 8)

    def __str__(self) -> str:
        """``4 x batch x sequence x 768``: bytes of an element, then the dimensions."""
        element = f"{self.bits}/8" if self.bits % 8 else str(self.bits // 8)
        return " x ".join([element, *map(str, self.sizes)])


def size_formulas(path: str | Path) -> dict[str, Formula | None]:
    """The size of every activation of a model.

    Args:
        path: ONNX file; weights kept in other files are not needed.

    Returns:
        By tensor name, graph inputs and outputs included. None where the size cannot be told: the number of
        dimensions is unknown, or one of them is worked out from values, or the tensor is none (a sequence), or its
        elements have no fixed size (strings).

    Raises:
        ModelError: the file is missing, unreadable or inconsistent.
        SourceUnavailable: onnx is not installed.
    """
    file = Path(path)
    model, _ = read_model(file)
    known = declared(model, file, name_all=True)
    symbols = named_dims(model)
    names = [*(v.name for v in model.graph.input), *(name for n in model.graph.node for name in n.output)]
    return {name: _formula(known.get(name), symbols) for name in names if name}


def text_of(formulas: Iterable[Formula | None]) -> str | None:
    """The size of several tensors together, or None when one of them is unknown."""
    parts = list(formulas)
    return None if None in parts else " + ".join(map(str, parts)) or "0"


def _formula(value: object, symbols: set[str]) -> Formula | None:
    """None for what onnx did not declare, and for dimensions whose names it made up itself."""
    kind = getattr(getattr(value, "type", None), "tensor_type", None)
    if kind is None or not kind.HasField("shape") or not kind.elem_type:
        return None
    sizes: list[int | str] = []
    for dim in kind.shape.dim:
        if dim.HasField("dim_value") and dim.dim_value >= 0:
            sizes.append(int(dim.dim_value))
        elif dim.dim_param in symbols:
            sizes.append(str(dim.dim_param))
        else:
            return None
    try:
        return Formula(tuple(sizes), tensor_of("", (), kind.elem_type).bits)
    except UnknownShape:
        return None
