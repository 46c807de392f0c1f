"""Who can speak to whom, and how a network may be split: the tables ``[[links]]`` and ``[split]`` of a scenario.

A node's own ``link`` says how the client reaches it. Without ``[[links]]`` any two nodes reach each other through both
of their own links; with ``[[links]]`` only the pairs that stand there can speak directly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints, model_validator

from gramwise.core.errors import did_you_mean
from gramwise.core.machines import Link

from .faults import Problem
from .rows import LinkTable, Name, NotNegative, Positive, Table, Text, fault

if TYPE_CHECKING:
    from .scenario import Scenario

OUTSIDE = ""
"""What link tables call the client; ``"client"`` says the same, unless a node is called so."""

_CLIENT = "client"

Place = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*)?$")]


class PairTable(LinkTable):
    """How tensors go from one place to another, directly."""

    from_: Place = Field(
        alias="from",
        description='Node that sends; "" or "client" is whoever sends the requests.',
        examples=["lyon"],
    )
    to: Place = Field(
        description='Node that receives; "" or "client" is whoever sends the requests.', examples=["oslo"]
    )
    receive_j_per_byte: NotNegative | None = Field(
        default=None,
        description="Marginal energy of receiving one byte, joules, spent on the receiver's grid. Left out, "
        "energy_j_per_byte counts both ends and is spent on the sender's.",
        examples=[5e-8],
    )
    one_way: bool = Field(
        default=False,
        description="True where the link serves this direction only; otherwise it is the same both ways.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _sent_too(self) -> PairTable:
        if self.receive_j_per_byte is not None and self.energy_j_per_byte is None:
            raise fault(
                "what receiving takes is known, and what sending takes is not.",
                "energy_j_per_byte",
                "Write energy_j_per_byte with its source, or leave out receive_j_per_byte.",
            )
        return self

    def record(self) -> Link:
        """The core record of either direction."""
        return Link(
            bytes_per_s=self.bytes_per_s,
            rtt_s=self.rtt_s,
            energy_j_per_byte=self.energy_j_per_byte,
            receive_j_per_byte=self.receive_j_per_byte,
            source=self.source or "",
        )


class SplitTable(Table):
    """What a plan that cuts a network over several nodes must keep to."""

    origin: Place = Field(
        default=OUTSIDE, description='Node where the input is born; "" is the client.', examples=["lyon"]
    )
    destination: Place = Field(
        default=OUTSIDE, description='Node where the answer is wanted; "" is the client.', examples=["oslo"]
    )
    input_stays: bool = Field(
        default=False, description="The input must not leave its origin.", examples=[True]
    )
    charge_idle: bool = Field(
        default=False,
        description="Charge a node that takes part its idle power while it waits for the others. False where "
        "it is powered anyway.",
        examples=[False],
    )
    line: tuple[Name, ...] | None = Field(
        default=None,
        strict=False,
        min_length=1,
        description="Nodes in the order in which tensors may be passed on, to the next one only.",
        examples=[["lyon", "oslo"]],
    )
    rate_per_s: Positive | None = Field(
        default=None,
        description="Requests a second that every node and link of a plan must sustain.",
        examples=[20.0],
    )
    may_run: dict[Text, Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]] = Field(
        default_factory=dict,
        description="Nodes that may run an operator type, by operator; one that is not listed may run anywhere.",
        examples=[{"Conv": ["oslo"]}],
    )


def links_of(scenario: Scenario) -> Mapping[tuple[str, str], Link]:
    """Every link by (from, to), `OUTSIDE` for the client; a pair that is not there cannot speak.

    The client reaches a node, and the node the client, by the node's own ``link``, unless a link between the two is
    declared. Two nodes reach each other by the link declared between them; where the file has no ``[[links]]`` at all,
    by both nodes' own links one after the other (see `in_series`).

    Args:
        scenario: as loaded.

    Returns:
        Core records, both directions apart. Energies that nobody declared are None.
    """
    own = {name: node.link.record() for name, node in scenario.nodes.items()}
    links = {pair: link for name, link in own.items() for pair in ((OUTSIDE, name), (name, OUTSIDE))}
    if scenario.links is None:
        links |= {(a, b): in_series(own[a], own[b]) for a in own for b in own if a != b}
    for table in scenario.links or ():
        links |= dict.fromkeys(_pairs(table, scenario.nodes), table.record())
    return links


def in_series(first: Link, second: Link) -> Link:
    """The way over two links, one after the other.

    Args:
        first: the sender's own link.
        second: the receiver's own link.

    Returns:
        Round trips add. A byte takes the seconds of both (store and forward), so ``1/B = 1/B1 + 1/B2``; a bandwidth
        that is not declared takes none. The sender's link spends its joules where it sends, the receiver's where it
        receives; where either is unknown, so is the whole.
    """
    s_per_byte = sum(1.0 / link.bytes_per_s for link in (first, second) if link.bytes_per_s)
    known = first.energy_j_per_byte is not None and second.energy_j_per_byte is not None
    return Link(
        bytes_per_s=1.0 / s_per_byte if s_per_byte else None,
        rtt_s=first.rtt_s + second.rtt_s,
        energy_j_per_byte=first.energy_j_per_byte if known else None,
        receive_j_per_byte=second.energy_j_per_byte if known else None,
        source="; ".join(dict.fromkeys(filter(None, (first.source, second.source)))) if known else "",
    )


def place(name: str, nodes: Mapping[str, object]) -> str:
    """The node of that name, or `OUTSIDE` for the client's names."""
    return OUTSIDE if name == _CLIENT and name not in nodes else name


def link_problems(scenario: Scenario) -> Iterator[Problem]:
    """What is wrong with ``[[links]]``: unknown nodes, a link to itself, a direction that stands there twice."""
    seen: dict[tuple[str, str], int] = {}
    for i, table in enumerate(scenario.links or ()):
        yield from _known(f"links.{i}.from", table.from_, scenario.nodes)
        yield from _known(f"links.{i}.to", table.to, scenario.nodes)
        ends = place(table.from_, scenario.nodes), place(table.to, scenario.nodes)
        if ends[0] == ends[1]:
            yield Problem(
                f"links.{i}.to", f"this link leads from {_said(ends[0])} to itself.", "Name another node."
            )
            continue
        for pair in _pairs(table, scenario.nodes):
            if pair in seen:
                yield Problem(
                    f"links.{i}",
                    f"the way from {_said(pair[0])} to {_said(pair[1])} stands in links.{seen[pair]} already.",
                    "Keep one of the two, or write one_way = true in both where the directions differ.",
                )
                break
            seen[pair] = i


def split_problems(scenario: Scenario) -> Iterator[Problem]:
    """What is wrong with ``[split]`` and ``taken_frac``: unknown nodes, a line without its links, idle wishes."""
    split, nodes = scenario.split, scenario.nodes
    yield from _known("split.origin", split.origin, nodes)
    yield from _known("split.destination", split.destination, nodes)
    for op, names in split.may_run.items():
        for name in names:
            yield from _known(f"split.may_run.{op}", name, nodes, client=False)
    yield from _line_problems(scenario)
    if split.input_stays and place(split.origin, nodes) == OUTSIDE:
        yield Problem(
            "split.origin",
            "an input that stays where it is born cannot be born at the client, who runs nothing.",
            f"Write origin = one of: {', '.join(nodes)}.",
        )
    if split.rate_per_s is None:
        for name, node in nodes.items():
            if 0 < node.taken_frac < 1 and not scenario.traffic:
                yield Problem(
                    "split.rate_per_s",
                    f"nodes.{name}.taken_frac leaves {1 - node.taken_frac:g} of its time free, which is a limit only"
                    " where the rate of inferences is known.",
                    "Write for instance rate_per_s = 20.0, or taken_frac = 1.0 for a node that other work fills.",
                )


def _line_problems(scenario: Scenario) -> Iterator[Problem]:
    line = scenario.split.line or ()
    unknown = [
        problem for name in line for problem in _known("split.line", name, scenario.nodes, client=False)
    ]
    yield from unknown
    if unknown:
        return
    twice = next((name for name in line if line.count(name) > 1), None)
    if twice is not None:
        yield Problem("split.line", f"{twice!r} stands there twice.", "Name each node once.")
        return
    links = links_of(scenario)
    for pair in pairwise(line):
        if pair not in links:
            yield Problem(
                "split.line",
                f"no link leads from {pair[0]!r} to {pair[1]!r}.",
                f'Add a [[links]] table with from = "{pair[0]}" and to = "{pair[1]}", or change the order.',
            )


def _known(key: str, name: str, nodes: Mapping[str, object], *, client: bool = True) -> Iterator[Problem]:
    if name in nodes or (client and place(name, nodes) == OUTSIDE):
        return
    choices = [*nodes, _CLIENT] if client else list(nodes)
    yield Problem(key, f"there is no node {name!r}.", did_you_mean(name, choices))


def _pairs(table: PairTable, nodes: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """The directions that a table declares."""
    start, end = place(table.from_, nodes), place(table.to, nodes)
    return ((start, end),) if table.one_way else ((start, end), (end, start))


def _said(name: str) -> str:
    return repr(name) if name else "the client"
