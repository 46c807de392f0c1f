"""Layers merged into atoms: what a runtime runs as one kernel is planned, profiled and cut as one.

onnxruntime fuses a convolution with the activation behind it, an attention block into one operator, a quantised
operator with the conversions around it. Between the members of such a group no tensor exists, so a cut there would
undo the fusion: it costs time and changes results. The tensors that a runtime keeps tell where the groups end: an atom
is everything between the tensors that it makes and the kept tensors before them. Two atoms may share a cheap layer,
such as a DequantizeLinear that two fused operators absorb: each runs it, or what became of it, for itself.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gramwise.core.model import Layer, ModelGraph, Work

from . import quantised
from .operators import MOVEMENT

Kept = Sequence[tuple[str, ...]]
"""Tensors that exist when the model runs, grouped by the kernel that makes them."""

_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_FOLDED_BEHIND = frozenset({"Add", "BatchNormalization", "Mul"})
_ACTIVATIONS = frozenset({"Clip", "LeakyRelu", "Relu"})
"""What a kernel of products takes in behind it, on any processor; a rule for when no runtime can be asked."""

_SHARED = MOVEMENT | quantised.DEQUANTISE
"""Operators that two atoms may both hold."""


def merge(graph: ModelGraph, kept: Kept | None = None) -> ModelGraph:
    """The graph of atoms.

    Args:
        graph: layers as they stand in the file.
        kept: outputs of each node of the optimised model, as `runtime.session.optimised_outputs` gives them; names
            that the graph does not have are passed over. None for a fixed rule: products with what follows them
            alone, and quantised groups.

    Returns:
        A graph with the same inputs, outputs and digest, whose tensors are kept ones. An atom has the name of its last
        layer; ``members`` name its layers, ``op`` joins their operators with ``+``. Its FLOP are theirs together;
        tensors inside are neither read nor written. Layers that no output of the graph needs are left out.
    """
    made = _Makers(graph)
    if kept is None:
        kept = tuple(_static(graph, made))
    groups = _known(graph, made, kept)
    atoms = _atoms(graph, made, groups)
    order = _order(graph, atoms)
    if order is None:  # tensors of one kernel that the graph as written cannot have at the same time
        atoms = _atoms(graph, made, [(name,) for group in groups for name in group])
        order = _order(graph, atoms) or []
    layers = tuple(_unique(_layer(graph, atoms[i]) for i in order))
    read = {name for layer in layers for name in layer.constants}
    return replace(
        graph,
        layers=layers,
        tensor_bytes={
            name: graph.tensor_bytes[name]
            for name in [*graph.inputs, *(name for layer in layers for name in layer.outputs)]
        },
        constant_bytes={name: size for name, size in graph.constant_bytes.items() if name in read},
    )


class _Makers:
    """Who makes and who reads each tensor, by position of the layer."""

    def __init__(self, graph: ModelGraph) -> None:
        self.maker = {name: i for i, layer in enumerate(graph.layers) for name in layer.outputs}
        self.readers: dict[str, list[int]] = {name: [] for name in [*graph.inputs, *self.maker]}
        for i, layer in enumerate(graph.layers):
            for name in layer.inputs:
                self.readers[name].append(i)


class _Atom(NamedTuple):
    """Positions of its layers, ascending; tensors that enter and that leave."""

    members: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def _known(graph: ModelGraph, made: _Makers, kept: Kept) -> list[tuple[str, ...]]:
    """The groups without names that mean nothing here, plus what must exist besides."""
    groups: list[tuple[str, ...]] = []
    seen = set(graph.inputs)
    for group in kept:
        names = tuple(name for name in group if name in made.maker and name not in seen)
        if names:
            groups.append(names)
            seen.update(names)
    # An answer may also be a constant, which no layer makes.
    groups += [(name,) for name in graph.outputs if name in made.maker and name not in seen]
    needed = [atom.outputs for atom in _atoms(graph, made, groups)]
    return needed + _not_twice(graph, made, needed)


def _not_twice(graph: ModelGraph, made: _Makers, groups: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Tensors of layers that are too dear to be in two atoms."""
    holders: dict[int, int] = {}
    for atom in _slices(graph, made, groups):
        for position in atom.members:
            holders[position] = holders.get(position, 0) + 1
    ends = {name for group in groups for name in group}
    return [
        (name,)
        for position, count in sorted(holders.items())
        if count > 1 and graph.layers[position].op not in _SHARED
        for name in graph.layers[position].outputs
        if name not in ends and made.readers[name]
    ]


def _atoms(graph: ModelGraph, made: _Makers, groups: list[tuple[str, ...]]) -> list[_Atom]:
    """Those atoms that an output of the graph needs."""
    found = list(_slices(graph, made, groups))
    maker = {name: i for i, atom in enumerate(found) for name in atom.outputs}
    needed: set[int] = set()
    waiting = [maker[name] for name in graph.outputs if name in maker]
    while waiting:
        i = waiting.pop()
        if i not in needed:
            needed.add(i)
            waiting += [maker[name] for name in found[i].inputs if name in maker]
    return [atom for i, atom in enumerate(found) if i in needed]


def _slices(graph: ModelGraph, made: _Makers, groups: list[tuple[str, ...]]) -> Iterator[_Atom]:
    """Each group with the layers between it and the kept tensors before it."""
    ends = {name for group in groups for name in group} | set(graph.inputs)
    for group in groups:
        members: set[int] = set()
        waiting = [made.maker[name] for name in group]
        while waiting:
            position = waiting.pop()
            if position in members:
                continue
            members.add(position)
            waiting += [made.maker[n] for n in graph.layers[position].inputs if n not in ends]
        order = tuple(sorted(members))
        # A group's own tensor that one of its members reads is made and used inside.
        read = [n for p in order for n in graph.layers[p].inputs if n in ends and n not in group]
        yield _Atom(order, tuple(dict.fromkeys(read)), group)


def _order(graph: ModelGraph, atoms: Sequence[_Atom]) -> list[int] | None:
    """Positions of the atoms so that each comes after what it reads, as early as the file has it; None for a cycle."""
    maker = {name: i for i, atom in enumerate(atoms) for name in atom.outputs}
    waits = [len({maker[n] for n in atom.inputs if n in maker}) for atom in atoms]
    readers: dict[int, set[int]] = {}
    for i, atom in enumerate(atoms):
        for name in atom.inputs:
            if name in maker:
                readers.setdefault(maker[name], set()).add(i)
    ready = [(atom.members[-1], i) for i, atom in enumerate(atoms) if not waits[i]]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(i)
        for reader in readers.get(i, ()):
            waits[reader] -= 1
            if not waits[reader]:
                heapq.heappush(ready, (atoms[reader].members[-1], reader))
    return order if len(order) == len(atoms) else None


def _layer(graph: ModelGraph, atom: _Atom) -> Layer:
    members = [graph.layers[position] for position in atom.members]
    main = max(members, key=lambda layer: layer.work.flop)
    constants = tuple(dict.fromkeys(name for layer in members for name in layer.constants))
    return Layer(
        name=members[-1].name,
        op="+".join(layer.op for layer in members),
        work=_work(members, atom, constants, graph.tensor_bytes, graph.constant_bytes),
        weight_bytes=sum(graph.constant_bytes[name] for name in constants),
        inputs=atom.inputs,
        outputs=atom.outputs,
        precision=main.precision,
        counted=all(layer.counted for layer in members),
        constants=constants,
        kernel=main.kernel,
        groups=main.groups,
        members=tuple(layer.name for layer in members),
    )


def _work(
    members: Sequence[Layer],
    atom: _Atom,
    constants: Iterable[str],
    tensor_bytes: Mapping[str, int],
    constant_bytes: Mapping[str, int],
) -> Work:
    """The members' work without the traffic between them; a layer that only picks from what it reads stays cheap."""
    total = sum((layer.work for layer in members), Work())
    if len(members) == 1:
        return total
    entering = sum(tensor_bytes[n] for n in atom.inputs) + sum(constant_bytes[n] for n in constants)
    leaving = sum(tensor_bytes[n] for n in atom.outputs)
    return Work(
        flop=total.flop,
        read_bytes=min(total.read_bytes, float(entering)),
        write_bytes=min(total.write_bytes, float(leaving)),
    )


def _unique(layers: Iterable[Layer]) -> Iterator[Layer]:
    seen: dict[str, int] = {}
    for layer in layers:
        seen[layer.name] = count = seen.get(layer.name, 0) + 1
        yield layer if count == 1 else replace(layer, name=f"{layer.name}/{count}")


def _static(graph: ModelGraph, made: _Makers) -> Iterator[tuple[str, ...]]:
    """What the fixed rule keeps."""
    layers = graph.layers
    steps = [quantised.Step(layer.op, layer.inputs, layer.outputs) for layer in layers]
    fusion = quantised.fuse(steps, graph.outputs)
    inside: set[str] = set()
    for position in sorted(fusion.absorbed):
        if layers[position].op in quantised.DEQUANTISE:
            inside.update(layers[position].outputs)
    for position in fusion.integer:
        name = layers[position].outputs[0]
        inside.add(name)
        behind = layers[made.readers[name][0]]
        if behind.op in _ACTIVATIONS:  # between it and the QuantizeLinear that follows
            inside.update(behind.outputs)
    grows = {i for i, layer in enumerate(layers) if layer.op in _PRODUCTS and i not in fusion.integer}
    for position, layer in enumerate(layers):
        behind_products = position in grows and len(layer.outputs) == 1
        if not behind_products or layer.outputs[0] in graph.outputs:
            continue
        readers = made.readers[layer.outputs[0]]
        if len(readers) != 1 or len(layers[readers[0]].inputs) != 1:
            continue
        op = layers[readers[0]].op
        if op in _FOLDED_BEHIND | _ACTIVATIONS:
            inside.add(layer.outputs[0])
        if op in _FOLDED_BEHIND:
            grows.add(readers[0])
    for layer in layers:
        names = tuple(name for name in layer.outputs if name not in inside)
        if names:
            yield names
