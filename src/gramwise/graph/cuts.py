"""Where a network can be cut, and what has to travel there.

Layers are in topological order, so a cut is a position: the layers before it run on one side, the rest on the
other. A person names tensors instead: then the parts are what hangs together when those tensors are cut through.
Control flow is a single layer with what it captures, so no cut falls inside a body.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gramwise.core.errors import ModelError, did_you_mean
from gramwise.core.model import ModelGraph

from . import quantised


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


_SHOWN = 4
"""Tensors that a message names before it counts the rest."""


class Border(NamedTuple):
    """What travels between two neighbouring parts: tensors, and their size together."""

    tensors: tuple[str, ...]
    bytes: int


class Part(NamedTuple):
    """One part of a network: its layers by position, the tensors that enter it and those that leave it."""

    layers: tuple[int, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Parts(NamedTuple):
    """A network in parts: part ``i`` comes before ``borders[i]``, the last part after the last border."""

    parts: tuple[Part, ...]
    borders: tuple[Border, ...]


def names_in(text: str, known: Collection[str]) -> list[str]:
    """The tensors of a text that has commas between them.

    Args:
        text: as a person writes it, blanks around a name allowed.
        known: names of tensors. One may contain commas itself: of all ways to read the text the one with the longest
            names from the left is taken.

    Returns:
        Names in order; what stands between two commas and is not known comes as it is, and nothing for nothing.
    """
    fields, names, start = text.split(","), list[str](), 0
    while start < len(fields):
        for end in range(len(fields), start, -1):
            whole = ",".join(fields[start:end])
            name = whole if whole in known else whole.strip()
            if name in known:
                break
        if name:
            names.append(name)
        start = end
    return names


def cut_at(
    graph: ModelGraph,
    tensors: Sequence[str],
    *,
    hidden: Mapping[str, str] | None = None,
    atoms: ModelGraph | None = None,
) -> Parts:
    """Cut a network at named tensors.

    Tensors that follow one another are cuts one behind the other; those that are alive at the same time are one cut:
    branches beside each other, a block and the skip around it. Apart from what was named, only inputs of the network
    and outputs that are finished may be on both sides.

    Args:
        graph: layers in topological order.
        tensors: names of activations.
        hidden: why a name that is no activation of the graph cannot be cut, by name.
        atoms: the same graph merged, see `atoms.merge`: the places that a message recommends; None for any.

    Returns:
        The parts and what travels between them. A tensor that is needed more than one part later is in every border
        that it passes. Layers that no output needs are in no part.

    Raises:
        ModelError: a name that cannot be cut, with the reason; or the tensors do not separate: says what else is alive
            there, and the nearest place where one tensor is enough; or an answer of the network is a constant.
    """
    web = _Web(graph)
    for name in graph.outputs:
        if name not in web.maker and name not in graph.inputs:
            raise ModelError(
                f"output {name!r} of the network is a constant, which no piece can make: drop it from the model's"
                " outputs."
            )
    named = tuple(dict.fromkeys(tensors))
    for name in named:
        _check_name(web, name, hidden or {})
    finest = web.levels(named)
    if finest is None:
        raise ModelError(_why_not(web, named, _singles(atoms or graph)))
    levels = _merge_within(web, finest)
    groups: list[list[int]] = [[] for _ in range(max(levels.values()) + 1)]
    for position in sorted(web.live):
        groups[levels[position]].append(position)
    needed = web.needed(levels)
    parts = tuple(_part(graph, group, i, needed) for i, group in enumerate(groups))
    travels = [web.travels(levels, needed, i) for i in range(len(groups) - 1)]
    return Parts(parts, tuple(Border(names, sum(graph.tensor_bytes[n] for n in names)) for names in travels))


def refuse_rounding(
    graph: ModelGraph, atoms: ModelGraph, kept: Collection[str], tensors: Iterable[str]
) -> None:
    """Refuse a cut inside a quantised group: the pieces would round where the whole does not.

    Args:
        graph: layers as they stand in the file.
        atoms: the same graph merged, see `atoms.merge`.
        kept: tensors that exist when the whole runs.
        tensors: where it is to be cut.

    Raises:
        ModelError: a tensor that the runtime absorbs into an operator together with conversions to or from integers;
            names the nearest tensor at which the network can be cut instead.
    """
    web = _Web(graph)
    position = {layer.name: i for i, layer in enumerate(graph.layers)}
    for name in tensors:
        if name in kept or name not in web.maker:
            continue
        touched = {graph.layers[i].name for i in (web.maker[name], *web.readers[name])}
        around = {m for atom in atoms.layers if touched & set(atom.members) for m in atom.members}
        if any(graph.layers[position[m]].op in quantised.CONVERSIONS for m in around):
            raise ModelError(
                f"cutting at {name!r} would change how int8 values are rounded: it lies inside a quantised operator,"
                f" between DequantizeLinear and QuantizeLinear. {_instead(web, atoms, kept, name)}"
            )


class _Web:
    """Who makes and who reads each tensor of the layers that the outputs need."""

    def __init__(self, graph: ModelGraph) -> None:
        self.graph = graph
        self.maker = {name: i for i, layer in enumerate(graph.layers) for name in layer.outputs}
        self.live = self.before(graph.outputs)
        self.readers: dict[str, list[int]] = {name: [] for name in self.maker}
        for i in sorted(self.live):
            for name in dict.fromkeys(graph.layers[i].inputs):
                if name in self.maker:
                    self.readers[name].append(i)

    def before(self, tensors: Iterable[str]) -> set[int]:
        """Positions of the layers that making the tensors takes."""
        found: set[int] = set()
        waiting = [self.maker[name] for name in tensors if name in self.maker]
        while waiting:
            position = waiting.pop()
            if position not in found:
                found.add(position)
                waiting += [self.maker[n] for n in self.graph.layers[position].inputs if n in self.maker]
        return found

    def alive(self, done: set[int]) -> list[str]:
        """Tensors that the done layers make and others read."""
        return [n for n, i in self.maker.items() if i in done and any(r not in done for r in self.readers[n])]

    def levels(self, named: Sequence[str]) -> dict[int, int] | None:
        """The part of each layer when the named tensors are cut through; None when one of them does not separate."""
        roots = _Roots(len(self.graph.layers))
        for name, readers in self.readers.items():
            if name not in named:
                for reader in readers:
                    roots.join(self.maker[name], reader)
        edges = {(roots.of(self.maker[n]), roots.of(reader)) for n in named for reader in self.readers[n]}
        regions = {roots.of(position) for position in self.live}
        level = dict.fromkeys(regions, 0)
        for _ in range(len(regions) + 1):
            late = {(a, b) for a, b in edges if level[b] <= level[a]}
            if not late:
                return {position: level[roots.of(position)] for position in self.live}
            for a, b in late:
                level[b] = max(level[b], level[a] + 1)
        return None  # a circle

    def needed(self, levels: Mapping[int, int]) -> dict[str, int]:
        """The last part that reads each tensor; -1 where none does."""
        return {name: max((levels[r] for r in readers), default=-1) for name, readers in self.readers.items()}

    def travels(self, levels: Mapping[int, int], needed: Mapping[str, int], border: int) -> tuple[str, ...]:
        """What crosses from part ``border`` or before to a part behind it."""
        made = ((name, levels[i]) for name, i in self.maker.items() if i in self.live)
        return tuple(name for name, level in made if level <= border < needed[name])


def _merge_within(web: _Web, levels: Mapping[int, int]) -> dict[int, int]:
    """The parts without borders whose tensors all cross at another one: who names a skip and what it goes around
    means the one place where both are alive."""
    needed = web.needed(levels)
    borders = [set(web.travels(levels, needed, i)) for i in range(max(levels.values()))]
    kept = [
        i
        for i, here in enumerate(borders)
        if not any(here < there or (here == there and j < i) for j, there in enumerate(borders))
    ]
    return {position: sum(i < level for i in kept) for position, level in levels.items()}


class _Roots:
    """Sets of layers that hang together."""

    def __init__(self, count: int) -> None:
        self._up = list(range(count))

    def of(self, i: int) -> int:
        """The layer that stands for the set of ``i``."""
        while self._up[i] != i:
            self._up[i] = self._up[self._up[i]]
            i = self._up[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Make one set of two."""
        self._up[self.of(j)] = self.of(i)


def _part(graph: ModelGraph, group: Sequence[int], index: int, needed: Mapping[str, int]) -> Part:
    made = [name for position in group for name in graph.layers[position].outputs]
    read = dict.fromkeys(name for position in group for name in graph.layers[position].inputs)
    inside = set(made)
    return Part(
        tuple(group),
        tuple(name for name in read if name not in inside),
        tuple(name for name in made if needed[name] > index or name in graph.outputs),
    )


def _check_name(web: _Web, name: str, hidden: Mapping[str, str]) -> None:
    graph = web.graph
    if name in graph.inputs:
        raise ModelError(f"{name!r} is an input of the network: nothing comes before it, so there is no cut.")
    if name in hidden:
        raise ModelError(f"the network cannot be cut at {name!r}: {hidden[name]}.")
    if name in graph.constant_bytes:
        raise ModelError(f"the network cannot be cut at {name!r}: it is a constant, which never travels.")
    if name not in web.maker:
        raise ModelError(f"there is no tensor {name!r}. {did_you_mean(name, web.maker)}")
    if not web.readers[name]:
        what = "an output of the network" if name in graph.outputs else "needed by no output"
        raise ModelError(f"{name!r} is {what}: nothing comes after it, so there is no cut.")


def _why_not(web: _Web, named: Sequence[str], singles: Sequence[str]) -> str:
    """What else is alive at the first tensor that does not separate."""
    for name in named:
        beside = [n for n in named if web.maker[name] not in web.before([n]) or n == name]
        more = [other for other in web.alive(web.before(beside)) if other not in named]
        if more:
            rest = f" and {len(more) - _SHOWN} more" if len(more) > _SHOWN else ""
            ways = [] if rest else [f"at {','.join([*beside, *more])} together"]
            one = min(singles, key=lambda n: abs(web.maker[n] - web.maker[name]), default=None)
            ways += [f"at {one!r}, where one tensor is enough"] if one else []
            advice = f" Cut {', or '.join(ways)}." if ways else ""
            verb = "crosses" if len(more) == 1 else "cross"
            return (
                f"cutting at {name!r} does not separate the network: {', '.join(map(repr, more[:_SHOWN]))}{rest} "
                f"{verb} there too.{advice}"
            )
    return f"cutting at {', '.join(map(repr, named))} does not separate the network."


def _singles(graph: ModelGraph) -> list[str]:
    """Tensors that separate a graph by themselves."""
    last_use = {name: i for i, layer in enumerate(graph.layers) for name in layer.inputs}
    found: dict[str, None] = {}
    for cut in legal_cuts(graph)[1:-1]:
        # Not what the network is given, nor an answer that is finished.
        travels = [n for n in cut.tensors if n not in graph.inputs and last_use.get(n, -1) >= cut.position]
        if len(travels) == 1:
            found[travels[0]] = None
    return list(found)


def _instead(web: _Web, atoms: ModelGraph, kept: Collection[str], name: str) -> str:
    """The nearest legal cut, behind a QuantizeLinear if there is one."""
    here = web.maker[name]
    singles = [n for n in _singles(atoms) if n in kept]

    def rank(n: str) -> tuple[bool, int]:
        return web.graph.layers[web.maker[n]].op not in quantised.QUANTISE, abs(web.maker[n] - here)

    best = min(singles, key=rank, default=None)
    if best is None:
        return "There is no place where one tensor is enough."
    small = web.graph.layers[web.maker[best]].op in quantised.QUANTISE
    return f"Cut at {best!r}{', behind the QuantizeLinear, where int8 travels' if small else ''}."
