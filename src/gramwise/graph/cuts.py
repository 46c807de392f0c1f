"""Where a network can be cut in two, and what has to travel there.

Layers are in topological order, so a cut is a position: the layers before it run on one side, the rest on the
other. Control flow is a single layer, so no cut falls inside a body.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gramwise.core.model import ModelGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One place to cut.

    Attributes:
        position: number of layers on the first side.
        tensors: what is alive there: made or given before it and needed after it, outputs of the graph
            included.
        bytes: their size together.
        after: name of the last layer on the first side; None at position 0.
    """

    position: int
    tensors: tuple[str, ...]
    bytes: int
    after: str | None


def legal_cuts(graph: ModelGraph) -> tuple[Cut, ...]:
    """Every cut of a graph of n layers, from position 0 (send the input) to n (send the answer).

    Returns:
        n + 1 cuts in order. Time is O(layers + their inputs and outputs), plus the live tensors that are
        listed.
    """
    last_use = {name: position for position, layer in enumerate(graph.layers) for name in layer.inputs}
    last_use |= dict.fromkeys(graph.outputs, len(graph.layers))
    live = dict.fromkeys(name for name in graph.inputs if name in last_use)
    size = sum(graph.tensor_bytes[name] for name in live)
    cuts = [Cut(position=0, tensors=tuple(live), bytes=size, after=None)]
    for position, layer in enumerate(graph.layers):
        for name in layer.outputs:
            if name in last_use:
                live[name] = None
                size += graph.tensor_bytes[name]
        for name in layer.inputs:
            if last_use[name] == position and name in live:
                del live[name]
                size -= graph.tensor_bytes[name]
        cuts.append(Cut(position=position + 1, tensors=tuple(live), bytes=size, after=layer.name))
    return tuple(cuts)


def single_tensor(cuts: Iterable[Cut]) -> tuple[Cut, ...]:
    """The cuts where one tensor is alive: every path from input to output runs through it."""
    return tuple(cut for cut in cuts if len(cut.tensors) == 1)
