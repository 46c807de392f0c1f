"""gramwise inside another program.

::

    with gramwise.open("scenario.toml") as fleet:
        answer = fleet.infer("digits", {"input": images}, deadline_s=0.2)
        answer.outputs["logits"], answer.outcome.cost.carbon_g, answer.outcome.node

and, in asyncio::

    async with gramwise.aopen("scenario.toml") as fleet:
        answer = await fleet.infer("digits", {"input": images})

With ``feed=`` the intensities that decisions rest on follow the grid while it serves; asking providers is done off the
request path, and a provider that fails for a day fails no request.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from gramwise.core.decision import Decision, Outcome, Request
from gramwise.core.errors import ConfigError, NodeLost, did_you_mean
from gramwise.fleet.scenario import Scenario
from gramwise.grid.feed import Feed
from gramwise.runtime.assembly import Fleet, assemble, read_scenario
from gramwise.runtime.engine import Engine, Served, refusal
from gramwise.runtime.feeding import Feeder
from gramwise.schedule import load_policy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

T = TypeVar("T")
ExecutorKind = Literal["in-process", "processes"]

FEED_INTERVAL_S = 60.0
"""How often a feed is looked at; how often it asks its providers is the feed's own business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        outputs: arrays by output name.
        outcome: node, variant, times, joules and grams, with how they are known.
        decision: why that node; ``decision.verdicts`` tells all.
    """

    outputs: Mapping[str, npt.NDArray[np.generic]]
    outcome: Outcome
    decision: Decision


class AsyncFleet:
    """A running fleet, for asyncio. Made by `aopen`."""

    def __init__(self, fleet: Fleet, engine: Engine) -> None:
        self.fleet, self.engine = fleet, engine
        self.feeding: asyncio.Task[None] | None = None
        """What keeps the intensities current, where there is a feed."""
        self._numbers = itertools.count()
        self._chance = random.Random(fleet.scenario.workload.seed)

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, npt.NDArray[np.generic]],
        *,
        deadline_s: float | None = None,
        accuracy_floor_frac: float | None = None,
        allowed_zones: Collection[str] | None = None,
    ) -> Answer:
        """Serve one request where it costs the fewest grams within its goals.

        Args:
            model: name in the scenario.
            inputs: arrays by input name; the first dimension of the first is the number of inferences.
            deadline_s: seconds until the answer is wanted; the scenario's goal by default.
            accuracy_floor_frac: permits any variant at least that accurate; None asks for the reference variant.
            allowed_zones: zones the data may travel to; the scenario's by default.

        Raises:
            ConfigError: no such model.
            Infeasible: no node can serve it; carries every verdict.
            Rejected: the model refused the inputs.
            NodeLost: the node died, and so did the one it was retried on.
        """
        request = self.request(model, inputs, deadline_s, accuracy_floor_frac, allowed_zones)
        return _answer(await self.engine.serve(request, inputs))

    def request(
        self,
        model: str,
        inputs: Mapping[str, npt.NDArray[np.generic]],
        deadline_s: float | None,
        accuracy_floor_frac: float | None,
        allowed_zones: Collection[str] | None,
    ) -> Request:
        """The request record for these arguments, numbered."""
        scenario = self.fleet.scenario
        if model not in scenario.models:
            raise ConfigError(
                f"there is no model {model!r}.",
                file=scenario.path,
                key="models",
                fix=did_you_mean(model, scenario.models),
            )
        goals, number = scenario.goals, next(self._numbers)
        zones = goals.allowed_zones if allowed_zones is None else allowed_zones
        first = next(iter(inputs.values()), None)
        return Request(
            id=str(number),
            seq=number,
            draw=self._chance.random(),
            model=model,
            arrival_s=self.fleet.clock.now_s(),
            deadline_s=goals.deadline_s if deadline_s is None else deadline_s,
            count=first.shape[0] if first is not None and first.ndim else 1,
            accuracy_floor_frac=accuracy_floor_frac,
            allowed_zones=frozenset(zones) if zones is not None else None,
        )

    async def close(self) -> None:
        """Stop the feed and the nodes."""
        if self.feeding is not None:
            self.feeding.cancel()
            await asyncio.gather(self.feeding, return_exceptions=True)
        await self.fleet.executor.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Opening:
    """What `aopen` returns: ``await`` it, or use it in ``async with``."""

    def __init__(self, work: Coroutine[Any, Any, AsyncFleet]) -> None:
        self._work = work
        self._fleet: AsyncFleet | None = None

    def __await__(self) -> Any:
        return self._work.__await__()

    async def __aenter__(self) -> AsyncFleet:
        self._fleet = await self._work
        return self._fleet

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fleet is not None:
            await self._fleet.close()


def aopen(
    scenario: str | Path,
    *,
    policy: str = "grams",
    executor: ExecutorKind | None = None,
    feed: Feed | None = None,
) -> _Opening:
    """Open a scenario for asyncio; see `open`."""
    return _Opening(_start_fed(_read(scenario, executor), policy, feed))


async def _start_fed(scenario: Scenario, policy: str, feed: Feed | None) -> AsyncFleet:
    fleet = await _start(scenario, policy)
    if feed is not None:
        try:
            feeder = _feeder(fleet, feed)
            await feeder.step()
        except BaseException:
            await fleet.close()
            raise
        fleet.feeding = asyncio.create_task(feeder.run())
    return fleet


def _feeder(opened: AsyncFleet, feed: Feed) -> Feeder:
    """For the zones of all nodes but those that declare an intensity of their own."""
    rows = opened.fleet.scenario.nodes.values()
    zones = {row.zone for row in rows if row.intensity_g_per_kwh is None}
    return Feeder(feed, opened.engine.world, zones, FEED_INTERVAL_S, opened.fleet.clock)


async def _start(scenario: Scenario, policy: str, *, inline: bool = False) -> AsyncFleet:
    chooser = load_policy(policy)  # before anything runs, since a wrong name must leave nothing running
    fleet = await assemble(scenario, inline=inline)
    hooks: dict[str, Any] = {"sleep": _blocking_sleep} if inline else {}
    return AsyncFleet(fleet, fleet.engine(chooser, **hooks))


class EmbeddedFleet:
    """A running fleet for synchronous code, safe to call from several threads. Made by `open`.

    Nodes inside this process run in the calling thread; nodes in child processes are reached through an event loop on a
    thread of its own. Either way the same engine decides, retries and accounts.
    """

    def __init__(
        self, scenario: str | Path, policy: str, executor: ExecutorKind | None, feed: Feed | None = None
    ) -> None:
        read = _read(scenario, executor)
        self._loop: _Loop | None = None
        self._feeding: _Loop | None = None
        if read.executor.kind == "in-process":
            self._async = finish(_start(read, policy, inline=True))
        else:
            self._loop = _Loop()
            try:
                self._async = self._loop.run(_start(read, policy))
            except BaseException:
                self._loop.stop()
                raise
        if feed is not None:
            self._feed(feed)

    def _feed(self, feed: Feed) -> None:
        """Keep the intensities current from a thread of its own: the world may be renewed from any."""
        self._feeding = _Loop()
        try:
            feeder = _feeder(self._async, feed)
            self._feeding.run(feeder.step())
        except BaseException:
            self.close()
            raise
        self._feeding.start(feeder.run())

    @property
    def fleet(self) -> Fleet:
        """Scenario, nodes, prices and intensities."""
        return self._async.fleet

    def infer(
        self,
        model: str,
        inputs: Mapping[str, npt.NDArray[np.generic]],
        *,
        deadline_s: float | None = None,
        accuracy_floor_frac: float | None = None,
        allowed_zones: Collection[str] | None = None,
    ) -> Answer:
        """See `AsyncFleet.infer`."""
        work = self._async.infer(
            model,
            inputs,
            deadline_s=deadline_s,
            accuracy_floor_frac=accuracy_floor_frac,
            allowed_zones=allowed_zones,
        )
        return finish(work) if self._loop is None else self._loop.run(work)

    def close(self) -> None:
        """Stop the feed and the nodes."""
        if self._feeding is not None and self._feeding.running:
            self._feeding.stop()
        if self._loop is None:
            finish(self._async.close())
        elif self._loop.running:
            self._loop.run(self._async.close())
            self._loop.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gramwise", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that goes on until the loop stops."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._cancel_all(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _cancel_all(self) -> None:
        others = [task for task in asyncio.all_tasks(self._loop) if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def finish(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits, without an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("an inline coroutine tried to wait for an event loop")


async def _blocking_sleep(seconds: float) -> None:
    time.sleep(seconds)


def _read(scenario: str | Path, executor: ExecutorKind | None) -> Scenario:
    return read_scenario(scenario, {"executor.kind": executor} if executor else {})


def open(
    scenario: str | Path,
    *,
    policy: str = "grams",
    executor: ExecutorKind | None = None,
    feed: Feed | None = None,
) -> EmbeddedFleet:
    """Start a scenario's nodes and serve with them.

    Args:
        scenario: file.
        policy: name of the policy that decides.
        executor: ``in-process`` or ``processes`` instead of what the scenario says.
        feed: where intensities come from while it serves (`gramwise.grid.feed.Feed`), of the kind that the scenario's
            nodes have; None keeps what is known at the start. The first refresh is done before this returns; the
            feed's archive must permit use from another thread, as `gramwise.grid.archive.Archive` does.

    Raises:
        GramwiseError: with file and key for what the user can mend.
    """
    return EmbeddedFleet(scenario, policy, executor, feed)


def _answer(served: Served) -> Answer:
    status = served.outcome.status
    if status == "lost":
        raise NodeLost(
            f"request {served.outcome.request}: every node that was tried died ({served.outcome.attempts})"
        )
    if status == "refused" or served.outputs is None:
        raise refusal(served.decision)
    return Answer(outputs=served.outputs, outcome=served.outcome, decision=served.decision)
