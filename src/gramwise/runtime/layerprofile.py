"""Time a network piece by piece on each node of a scenario, as the pieces will really run.

A piece lies between two neighbouring cuts of one tensor each, in the graph of what onnxruntime fuses. Each is loaded as
a model of its own into a real, capped node and run; so is the whole, or as much of it as fits, and the same network in
fewer pieces. The sum over pieces exceeds the whole: the difference is what borders cost. docs/method/profile.md
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from gramwise.core.errors import ConfigError, ExecutionError, NodeLost, Rejected
from gramwise.core.machines import Node
from gramwise.core.protocols import Ran
from gramwise.fleet.scenario import Scenario
from gramwise.power.roofline import host_roof
from gramwise.runtime import caps, models
from gramwise.runtime.hop import measure_hop
from gramwise.runtime.inprocess import InProcessExecutor
from gramwise.runtime.layercosts import borders
from gramwise.runtime.processes import ProcessExecutor
from gramwise.runtime.profile import LocalExecutor
from gramwise.runtime.profilefile import (
    SCHEMA,
    NodeTimes,
    ProfileFile,
    Rates,
    Spread,
    Timed,
    check_place,
    machine,
    profile_path,
    write_profile,
)
from gramwise.runtime.subject import Pieces, Span, spans_of, subject_of

Tell = Callable[[str, float], None]

WARM_UPS = 2
MOST_RUNS = 200

_WINDOW_PERIODS = 5
"""A quota holds over periods and not within one: CPU and wall seconds are compared over windows of several."""

_REST_PERIODS = 5
"""After that many periods without work a quota has saved up what it can."""


class Effort(NamedTuple):
    """How long to measure.

    Attributes:
        runs: of every model that are counted; the median of nine is not moved by four bad moments.
        least_s: a round of runs goes on for at least this long; twenty default periods of a CPU quota.
        hop_runs: of a tensor on its way between two nodes.
    """

    runs: int = 9
    least_s: float = 0.2
    hop_runs: int = 15


USUAL = Effort()


async def profile_model(
    scenario: Scenario,
    model: str | None = None,
    variant: str | None = None,
    *,
    out: Path | None = None,
    effort: Effort = USUAL,
    tell: Tell = lambda _text, _done: None,
) -> dict[str, Any]:
    """Measure a network on the nodes of a scenario and write the profile.

    Args:
        scenario: from `gramwise.runtime.assembly.read_scenario`; its nodes are started and stopped again.
        model: name of a model of the scenario, ``package:NAME``, ``zoo:NAME`` or the path of an ONNX file; None for the
            workload's.
        variant: of a model of the scenario; its reference by default.
        out: file to write; `profile_path` by default.
        effort: how long to measure.
        tell: hears what is going on, and how much of it is done, 0 to 1.

    Returns:
        The ``gramwise.profile/1`` document, with what its borders cost under ``border`` and its path under ``file``.

    Raises:
        ConfigError: no such model or variant; a node that outgrows its memory; an ``out`` that holds something else.
        ModelError, SourceUnavailable, ExecutionError: see `gramwise.core.errors`.
    """
    subject = subject_of(scenario, model, variant)
    place = out or profile_path(scenario, subject.model, subject.graph.digest)
    check_place(place, subject.graph.digest)
    tell("measuring this host's arithmetic", 0.0)
    roof = host_roof()
    with tempfile.TemporaryDirectory(prefix="gramwise-profile-") as folder:
        tell("cutting the model", 0.02)
        pieces = Pieces(scenario, subject, Path(folder))
        timer = _Timer(scenario, pieces, effort)
        nodes = scenario.node_records()
        tell("starting the nodes", 0.06)
        executor = await start_nodes(scenario, nodes)
        try:
            times = {}
            for i, node in enumerate(nodes):
                done = 0.1 + 0.85 * i / len(nodes)
                tell(f"timing {len(pieces.parts)} pieces on {node.name}", done)
                times[node.name] = await timer.time(executor, node)
            tell("timing the way between nodes", 0.95)
            hop = await measure_hop(
                executor, nodes, Path(folder), scenario.executor.period_s, effort.hop_runs
            )
        finally:
            await executor.close()
    profile = ProfileFile(
        schema=SCHEMA,
        model=subject.model,
        variant=subject.variant,
        digest=subject.graph.digest,
        count=scenario.workload.count,
        level="all",
        machine=machine(),
        onnxruntime=version("onnxruntime"),
        gramwise=version("gramwise"),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        rates=Rates({name: q.value for name, q in roof.flop_per_s.items()}, roof.bytes_per_s.value),
        pieces=pieces.parts,
        nodes=times,
        hop=hop,
    )
    write_profile(profile, place)
    tell("done", 1.0)
    border = borders(profile)
    return {**msgspec.to_builtins(profile), "border": border._asdict(), "file": str(place)}


async def start_nodes(scenario: Scenario, nodes: Sequence[Node]) -> LocalExecutor:
    """The scenario's nodes with nothing loaded; one slot each, since one model runs at a time."""
    empty: dict[str, dict[str, str]] = {node.name: {} for node in nodes}
    try:
        if scenario.executor.kind == "in-process":
            return InProcessExecutor(nodes, empty)
        maker = caps.find(scenario.executor.caps, scenario.executor.period_s)
        return await ProcessExecutor.start([replace(node, slots=1) for node in nodes], empty, maker)
    except ConfigError as fault:
        raise ConfigError(fault.message, file=scenario.path, key=fault.key, fix=fault.fix) from fault


class _Timer:
    """Times the pieces of one model on one node after another."""

    def __init__(self, scenario: Scenario, pieces: Pieces, effort: Effort) -> None:
        self._scenario, self._pieces, self._effort = scenario, pieces, effort

    async def time(self, executor: LocalExecutor, node: Node) -> NodeTimes:
        """Everything about one node."""
        room = node.memory_bytes - models.RUNTIME_BYTES
        pieces: list[Timed | None] = [None] * len(self._pieces.parts)
        longest: list[Timed] = []
        between: list[list[Timed]] = []
        stretches: list[tuple[float, Timed]] = []
        for first, last in self._pieces.longest(room):
            ends = list(range(first, last + 2))
            before = await self._row(executor, node, [first, last + 1], room)
            single = await self._row(executor, node, ends, room)
            for coarser in _by_size(ends, [self._pieces.bytes_at(i) for i in ends]):
                between.append(
                    [_timed(span, runs) for span, runs in await self._row(executor, node, coarser, room)]
                )
            after = await self._row(executor, node, [first, last + 1], room)
            runs = [*before[0][1], *after[0][1]]
            longest.append(_timed((first, last), runs))
            rested = await self._row(executor, node, [first, last + 1], room, rest=True)
            window_s = _WINDOW_PERIODS * self._scenario.executor.period_s
            stretches.append((_stretch(runs, window_s), _timed(*rested[0])))
            for (at, _), each in single:
                pieces[at] = _timed((at, at), each)
        if not longest:
            raise self._fits_nowhere(node)
        best = max(range(len(longest)), key=lambda i: longest[i].cpu_s.median)
        return NodeTimes(
            cpu_share=node.cpu_share,
            caps=executor.caps,
            pieces=pieces,
            longest=longest,
            between=between,
            stretch=stretches[best][0],
            stretch_of=_words(longest[best], len(self._pieces.parts)),
            rested=stretches[best][1],
        )

    async def _row(
        self, executor: LocalExecutor, node: Node, ends: Sequence[int], room: float, *, rest: bool = False
    ) -> list[tuple[Span, list[Ran]]]:
        """Time the models between these cuts, in turn: each finds the caches as its neighbours left them.

        As many are loaded together as fit.
        """
        spans = spans_of(ends)
        files = dict(zip(spans, self._pieces.cut(ends), strict=True))
        found: list[tuple[Span, list[Ran]]] = []
        while spans:
            together, used = 1, self._pieces.needs_bytes(*spans[0])
            while together < len(spans) and used + self._pieces.needs_bytes(*spans[together]) <= room:
                used += self._pieces.needs_bytes(*spans[together])
                together += 1
            now, spans = spans[:together], spans[together:]
            found += zip(now, await self._turns(executor, node, now, files, rest), strict=True)
        return found

    async def _turns(
        self,
        executor: LocalExecutor,
        node: Node,
        spans: Sequence[Span],
        files: Mapping[Span, Path],
        rest: bool,
    ) -> list[list[Ran]]:
        keys = [f"{first}-{last}" for first, last in spans]
        try:
            for key, span in zip(keys, spans, strict=True):
                await executor.load(node.name, key, str(files[span]))
            kept: list[list[Ran]] = [[] for _ in spans]
            wall_s, turn = 0.0, -WARM_UPS
            least_s = 0.0 if rest else self._effort.least_s
            rest_s = _REST_PERIODS * self._scenario.executor.period_s if rest else 0.0
            while turn < self._effort.runs or (wall_s < least_s and turn < MOST_RUNS):
                for i, (key, (first, _)) in enumerate(zip(keys, spans, strict=True)):
                    ran = await executor.run(node.name, key, self._pieces.given[first])
                    if turn >= 0:
                        kept[i].append(replace(ran, outputs={}))
                        wall_s += ran.end_s - ran.start_s
                    if rest:
                        await asyncio.sleep(rest_s)
                turn += 1
            for key in keys:
                await executor.drop(node.name, key)
        except ConfigError as fault:
            raise ConfigError(
                fault.message, file=self._scenario.path, key=fault.key, fix=fault.fix
            ) from fault
        except NodeLost as fault:
            raise self._lost(executor, node, fault) from fault
        except Rejected as fault:
            raise ExecutionError(f"nodes.{node.name}: a piece of the model: {fault}") from fault
        return kept

    def _lost(self, executor: LocalExecutor, node: Node, fault: NodeLost) -> Exception:
        cap = executor.killed_for_memory(node.name) if isinstance(executor, ProcessExecutor) else None
        if cap is None:
            return fault
        return ConfigError(
            f"the node was killed at its cap of {cap / 2**20:.0f} MiB while it ran pieces of the model.",
            file=self._scenario.path,
            key=f"nodes.{node.name}.memory",
            fix="Write a larger memory, or a smaller workload.count.",
        )

    def _fits_nowhere(self, node: Node) -> ConfigError:
        least = (
            min(self._pieces.needs_bytes(i, i) for i in range(len(self._pieces.parts))) + models.RUNTIME_BYTES
        )
        return ConfigError(
            f"{node.memory_bytes / 2**20:.0f} MiB hold no piece of the model: the smallest needs"
            f" {least / 2**20:.0f} MiB.",
            file=self._scenario.path,
            key=f"nodes.{node.name}.memory",
            fix="Write a larger memory, or leave the node out.",
        )


def _by_size(ends: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """The same span cut at the smaller half of its tensors only, and at the larger half: two unlike mixtures of what
    a border costs by itself and what its bytes cost. Nothing where there are fewer than four cuts."""
    inner = sorted(ends[1:-1], key=lambda end: sizes[end - ends[0]])
    if len(inner) < 4:
        return
    half = len(inner) // 2
    for chosen in (inner[:half], inner[half:]):
        yield [ends[0], *sorted(chosen), ends[-1]]


def _timed(span: Span, runs: Sequence[Ran]) -> Timed:
    return Timed(
        *span,
        cpu_s=Spread.of([run.cpu_s for run in runs]),
        wall_s=Spread.of([run.end_s - run.start_s for run in runs]),
        runs=len(runs),
    )


def _stretch(runs: Sequence[Ran], window_s: float) -> float:
    """Wall seconds of a CPU second over windows of runs that follow each other: the median window, since a neighbour
    who takes the processor away lengthens some and shortens none."""
    ratios: list[float] = []
    cpu_s = wall_s = 0.0
    for run in runs:
        cpu_s, wall_s = cpu_s + run.cpu_s, wall_s + run.end_s - run.start_s
        if wall_s >= window_s:
            ratios.append(wall_s / cpu_s)
            cpu_s = wall_s = 0.0
    return statistics.median(ratios) if ratios else wall_s / cpu_s


def _words(timed: Timed, pieces: int) -> str:
    if timed.last - timed.first + 1 == pieces:
        return f"the whole model, {timed.runs} runs"
    return f"pieces {timed.first + 1} to {timed.last + 1} of {pieces} as one model, {timed.runs} runs"
