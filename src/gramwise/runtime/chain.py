"""One request on its way through the stages of a split plan: what each is given, what stays, what waits on a link.

A tensor goes straight from the node that makes it to each node that reads it, once however many stages read it there;
where the scenario lines nodes up, it is passed on from neighbour to neighbour. That is what
`gramwise.partition.problem.evaluate` charges, so a plan's prediction and its execution mean the same. Nothing here
waits or runs: the engine does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gramwise.core.decision import Stage
from gramwise.core.machines import Link
from gramwise.core.protocols import Held, Ran

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Value: TypeAlias = npt.NDArray[np.generic] | Held

OUTSIDE = ""
"""What links call the client."""


class Move(NamedTuple):
    """A tensor that crosses one link."""

    tensor: str
    start: str
    end: str


class Wait(NamedTuple):
    """Seconds on links: fixed ones, and by tensor those of a byte."""

    fixed_s: float
    s_per_byte: tuple[tuple[str, float], ...]

    def transfer_s(self, nbytes: Mapping[str, float]) -> float:
        """Seconds that bytes keep links busy; ``nbytes`` by tensor."""
        return sum(nbytes[tensor] * each_s for tensor, each_s in self.s_per_byte)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How tensors travel.

    Attributes:
        links: by (from, to), `OUTSIDE` for the client; a hop without a link costs nothing extra.
        origin, destination: where requests are born and answers wanted.
        line: nodes that pass tensors on to the next one only; None for straight ways.
    """

    links: Mapping[tuple[str, str], Link] = field(default_factory=dict)
    origin: str = OUTSIDE
    destination: str = OUTSIDE
    line: tuple[str, ...] | None = None

    def hops(self, start: str, end: str, there: Collection[str] = ()) -> tuple[tuple[str, str], ...]:
        """The links from the node that makes a tensor to one that reads it.

        Args:
            start: maker.
            end: reader.
            there: nodes that have the tensor already; on a line it goes on from the nearest of them.
        """
        if start == end or end in there:
            return ()
        if self.line is None or end not in self.line or not (start in self.line or start == OUTSIDE):
            return ((start, end),)
        path = self.line[: self.line.index(end) + 1]
        have = [i for i, node in enumerate(path) if node == start or node in there]
        entry = () if have else ((start, path[0]),)
        return (*entry, *pairwise(path[max(have, default=0) :]))

    def wait(self, moves: Sequence[Move]) -> Wait:
        """What moves one after the other keep a request waiting: half a round trip each, and their bytes."""
        links = [self.links.get((move.start, move.end), _DIRECT) for move in moves]
        rates = tuple(
            (move.tensor, 1.0 / link.bytes_per_s)
            for move, link in zip(moves, links, strict=True)
            if link.bytes_per_s
        )
        return Wait(sum(link.rtt_s / 2 for link in links), rates)


_DIRECT = Link()


class Route:
    """The moves of a split plan, worked out once: they depend on no request.

    Args:
        stages: in the order in which they run.
        network: between their nodes.
        answers: names of the network's outputs; None takes the outputs that no later stage reads.

    Attributes:
        into: moves that each stage waits for.
        out: moves of the answer.
        waits, wait_out: what these moves take.
        hold: outputs of each stage that stay at its node.
        last: position of the last stage that reads a tensor.
    """

    def __init__(
        self, stages: Sequence[Stage], network: Network, answers: Collection[str] | None = None
    ) -> None:
        self.stages, self.network = tuple(stages), network
        self.last = {name: i for i, stage in enumerate(stages) for name in stage.inputs}
        made = {name: i for i, stage in enumerate(stages) for name in stage.outputs}
        late = {name for name, i in made.items() if self.last.get(name, -1) <= i}
        self.answers = tuple(made) if answers is None else tuple(answers)
        if answers is None:
            self.answers = tuple(name for name in made if name in late)
        # What is asked for as an answer comes back to the engine anyway, so it is passed on from there.
        self.hold = tuple(
            tuple(name for name in stage.outputs if name not in self.answers and name not in late)
            for stage in stages
        )
        there: dict[str, dict[str, None]] = {}
        self.into = tuple(tuple(self._moves_into(stage, made, there)) for stage in stages)
        self.out = tuple(
            Move(name, maker, network.destination)
            for name in self.answers
            for maker in [self._maker(name, made)]
            # Planning charges a line for the answer also where the destination has read it before.
            if maker != network.destination
            and (network.line is not None or network.destination not in there.get(name, ()))
        )
        self.waits, self.wait_out = tuple(network.wait(moves) for moves in self.into), network.wait(self.out)

    def _maker(self, tensor: str, made: Mapping[str, int]) -> str:
        return self.stages[made[tensor]].node if tensor in made else self.network.origin

    def _moves_into(
        self, stage: Stage, made: Mapping[str, int], there: dict[str, dict[str, None]]
    ) -> Iterator[Move]:
        for name in stage.inputs:
            nodes = there.setdefault(name, {})
            for start, end in self.network.hops(self._maker(name, made), stage.node, nodes):
                yield Move(name, start, end)
                nodes[end] = None

    @property
    def moves(self) -> tuple[Move, ...]:
        """All of them."""
        return (*(move for moves in self.into for move in moves), *self.out)


class Chain:
    """The tensors of one request.

    Args:
        route: its plan's.
        inputs: of the request, by name.
    """

    def __init__(self, route: Route, inputs: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self.route = route
        self._values: dict[str, Value] = dict(inputs)
        self.nbytes: dict[str, float] = {name: value.nbytes for name, value in inputs.items()}
        self._held: dict[str, Held] = {}

    def delay_s(self, stage: int) -> float:
        """Seconds that a stage's inputs spend on declared links."""
        return self._delay_s(self.route.waits[stage])

    def answer_delay_s(self) -> float:
        """Seconds that the answer spends on declared links."""
        return self._delay_s(self.route.wait_out)

    def _delay_s(self, wait: Wait) -> float:
        return wait.fixed_s + wait.transfer_s(self.nbytes) if wait.s_per_byte else wait.fixed_s

    def given(self, stage: int) -> dict[str, Value]:
        """Inputs of a stage."""
        return {name: self._values[name] for name in self.route.stages[stage].inputs}

    def took(self, stage: int, ran: Ran) -> list[Held]:
        """Keep what a stage made.

        Returns:
            What no later stage reads, to be released.
        """
        for made in (ran.outputs, ran.held):
            for name, value in made.items():
                self._values[name], self.nbytes[name] = value, value.nbytes
        self._held.update(ran.held)
        over = [name for name in self._held if self.route.last[name] <= stage]
        return [self._held.pop(name) for name in over]

    def left(self) -> list[Held]:
        """What is still held when the request ends early, to be released."""
        held, self._held = list(self._held.values()), {}
        return held

    def answer(self) -> dict[str, npt.NDArray[np.generic]]:
        """Outputs of the network, by name."""
        found = ((name, self._values[name]) for name in self.route.answers)
        return {name: value for name, value in found if not isinstance(value, Held)}
