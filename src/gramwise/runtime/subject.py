"""What is profiled: a model and the pieces it is timed in, cut as asked and fed with what really enters them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gramwise.core.errors import ConfigError
from gramwise.core.model import ModelGraph
from gramwise.fleet.scenario import Scenario
from gramwise.graph.atoms import merge
from gramwise.graph.cuts import legal_cuts, single_tensor
from gramwise.graph.load import load_graph
from gramwise.partition.export import Piece, export_pieces
from gramwise.runtime import models
from gramwise.runtime.inputs import load_inputs
from gramwise.runtime.profilefile import Part
from gramwise.runtime.session import Session, optimised_outputs

if TYPE_CHECKING:
    import numpy.typing as npt

    Tensors = Mapping[str, npt.NDArray[Any]]

Span = tuple[int, int]
"""First and last of some neighbouring pieces, inclusive."""


class Subject(NamedTuple):
    """What is profiled: names for people, the file, the graph of atoms for ``count`` inferences."""

    model: str
    variant: str
    path: Path
    graph: ModelGraph


def subject_of(scenario: Scenario, model: str | None, variant: str | None) -> Subject:
    """Find a model and read its graph of atoms, for requests of the scenario's ``workload.count``.

    Raises:
        ConfigError, ModelError, SourceUnavailable: there is none, or it cannot be read.
    """
    name = model or scenario.model
    if name in scenario.models:
        known = {v.name: v for v in scenario.variant_records(name)}
        chosen = variant or next(iter(known))
        if chosen not in known:
            raise ConfigError(
                f"the model {name!r} has no variant {chosen!r}.",
                file=scenario.path,
                key=f"models.{name}.variants",
                fix=f"Write one of: {', '.join(known)}.",
            )
        key = f"models.{name}.variants.{chosen}.file"
        written, base, source = (
            scenario.models[name].variants[chosen].file,
            scenario.path.parent,
            scenario.path,
        )
    elif variant is not None:
        raise ConfigError(
            f"{name!r} is not a model of the scenario, so it has no variants.",
            file=scenario.path,
            key="models",
            fix=f"Write one of: {', '.join(scenario.models)}; or leave out the variant.",
        )
    else:
        written, base, source, key, chosen = name, Path(), Path("gramwise profile"), "MODEL", ""
        name = Path(name.partition(":")[2] or name).stem
    path = models.resolve(written, base, source=source, key=key)
    graph = merge(load_graph(path, batch=scenario.workload.count), optimised_outputs(path))
    return Subject(name, chosen or name, path, graph)


class Pieces:
    """The pieces of one model between its cuts of one tensor, and files of any of them together.

    Args:
        scenario: whose requests they are fed with.
        subject: the model.
        folder: where the files go.

    Attributes:
        parts: the pieces, in run order; P of them.
        ends: position in the graph's layers of each cut, first and last included; P + 1 of them.
        alive: tensors that cross each of them.
        given: what enters each piece when the network runs on one request's inputs.
    """

    def __init__(self, scenario: Scenario, subject: Subject, folder: Path) -> None:
        self._scenario, self._subject, self._folder = scenario, subject, folder
        graph = subject.graph
        cuts = legal_cuts(graph)
        inner = [c.position for c in single_tensor(cuts[1:-1])]
        self.ends = (0, *inner, len(graph.layers))
        self.alive = tuple(tuple(sorted(cuts[position].tensors)) for position in self.ends)
        self.parts = [self._part(i) for i in range(len(inner) + 1)]
        self._files: dict[Span, Path] = {(0, len(inner)): subject.path}
        self.given = tuple(self._activations())

    def _part(self, i: int) -> Part:
        graph = self._subject.graph
        inputs, outputs = self.alive[i], self.alive[i + 1]
        return Part(
            layers=[layer.name for layer in graph.layers[self.ends[i] : self.ends[i + 1]]],
            inputs=list(inputs),
            outputs=list(outputs),
            receive_bytes=sum(graph.tensor_bytes[name] for name in inputs),
            send_bytes=sum(graph.tensor_bytes[name] for name in outputs),
        )

    def _activations(self) -> Iterator[Tensors]:
        """What enters each piece when the network runs on one request's inputs."""
        values: Tensors = self._inputs()
        for i, file in enumerate(self.cut(range(len(self.parts) + 1))):
            given = {name: values[name] for name in self.alive[i]}
            yield given
            values, _ = Session(str(file)).run(given)

    def _inputs(self) -> Tensors:
        scenario, spec = self._scenario, Session(str(self._subject.path)).inputs
        own = self._subject.model == scenario.model and len(spec) == 1
        what = scenario.workload.inputs if own else "random"
        count, seed = scenario.workload.count, scenario.workload.seed
        given: dict[str, npt.NDArray[Any]] = {}
        for name, each in spec.items():
            loaded = load_inputs(what, count, seed, {name: each}, scenario.path.parent, scenario.path)
            given |= loaded.request(0)
        return given

    def cut(self, ends: Sequence[int]) -> tuple[Path, ...]:
        """Files of the models between these cuts, exported once."""
        wanted = spans_of(ends)
        new = [span for span in wanted if span not in self._files]
        if new:
            pieces = [Piece(self.alive[first], self.alive[last + 1]) for first, last in new]
            out = self._folder / f"cut-{len(self._files)}"
            files = export_pieces(self._subject.path, pieces, out)
            self._files |= dict(zip(new, files, strict=True))
        return tuple(self._files[span] for span in wanted)

    def needs_bytes(self, first: int, last: int) -> float:
        """What a node must hold for some pieces as one model: weights with their copies, and its largest layer twice.

        Twice, because a session keeps the room of a run for the next one.
        """
        graph = self._subject.graph
        layers = graph.layers[self.ends[first] : self.ends[last + 1]]
        constants = {name for layer in layers for name in layer.constants}
        weights = sum(graph.constant_bytes[name] for name in constants)
        largest = max(sum(graph.tensor_bytes[t] for t in (*v.inputs, *v.outputs)) for v in layers)
        return models.LOAD_FACTOR * weights + 2 * largest

    def longest(self, room: float) -> Iterator[tuple[int, int]]:
        """As few spans of pieces as fit, from the start; a piece that does not fit by itself is left out."""
        first = 0
        while first < len(self.parts):
            last = first
            while last + 1 < len(self.parts) and self.needs_bytes(first, last + 1) <= room:
                last += 1
            if self.needs_bytes(first, last) <= room:
                yield first, last
            first = last + 1

    def bytes_at(self, end: int) -> int:
        """Bytes that cross a cut."""
        return sum(self._subject.graph.tensor_bytes[name] for name in self.alive[end])


def spans_of(ends: Sequence[int]) -> list[Span]:
    """The pieces between these cuts."""
    return [(first, last - 1) for first, last in pairwise(ends)]
