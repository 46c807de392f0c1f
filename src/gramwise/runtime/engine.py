"""Decide, wait, run, account: the one way a request goes through gramwise, in asyncio.

The engine owns no threads, sockets or wall clock of its own: executor and clock are handed in, so the same code serves
real nodes and, later, simulated ones on a virtual clock.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np

from gramwise.core.clock import Clock
from gramwise.core.decision import Cost, Decision, Outcome, PlanTable, Request, Stage
from gramwise.core.errors import Infeasible, NodeLost
from gramwise.core.machines import Node
from gramwise.core.protocols import Executor, Policy, Ran
from gramwise.core.quantity import Method, Quantity, weakest
from gramwise.core.quick import quick
from gramwise.core.units import carbon_g
from gramwise.runtime.chain import Chain, Network, Route
from gramwise.runtime.world import World

if TYPE_CHECKING:
    import numpy.typing as npt

MAX_ATTEMPTS = 2
"""A request whose node dies is tried once more elsewhere: inference is idempotent."""


NODES_JOINED = ">"
"""Between the nodes of a split plan in `Outcome.node`."""

_ROUTES = 64
"""Split plans whose routes are kept; a fleet has a handful."""

_Errand: TypeAlias = tuple[str, str, float, float, bool]
"""Of a row that is not split: node, the executor's name of the variant, seconds a request and seconds an inference, and
whether a declared link delays it."""

SNAPSHOT_TIMES = 10_000
"""Newest times kept of building snapshots, for reports."""


class Declined(NodeLost):
    """A node that lives has no time for one request: it stays in service, and another is tried.

    Args:
        node: that declined.
        sentence: its own.
    """

    def __init__(self, node: str, sentence: str) -> None:
        super().__init__(sentence)
        self.node = node


class Joules(Protocol):
    """Marginal energy of work on a node."""

    def method(self, node: str) -> Method:
        """Provenance of what it says about ``node``."""
        ...

    def energy_j(self, node: str, cpu_s: float) -> float:
        """Joules of ``cpu_s`` CPU seconds on ``node``; NaN when its power is unknown."""
        ...


class Part(NamedTuple):
    """What one stage of a request took: thread CPU seconds on its node, and the joules that the node told, if any.

    A request that is not split has one part.
    """

    node: str
    cpu_s: float
    energy: Quantity | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An outcome with what the client asked for, what each stage took, and the decision behind it."""

    outcome: Outcome
    outputs: Mapping[str, npt.NDArray[np.generic]] | None
    decision: Decision
    parts: tuple[Part, ...] = ()


class Engine:
    """Serves requests with one policy.

    Args:
        policy: chooses.
        world: what is known of the nodes; the engine keeps it current.
        executor: makes it happen.
        joules: prices CPU seconds.
        clock: Unix seconds.
        soonest: policy asked when ``policy`` finds no plan, so that a late answer is given rather than none; None
            refuses instead.
        on_decision: called with each decision and whether it was a fallback, for the flight recorder.
        sleep: waits out a declared link; `asyncio.sleep` unless the caller has no event loop.
        network: between the nodes of split plans.
        answers: names of a whole network's outputs, by the executor's name of the variant; where none are given, what
            no later stage of a split plan reads is the answer.
    """

    def __init__(
        self,
        policy: Policy,
        world: World,
        executor: Executor,
        joules: Joules,
        clock: Clock,
        *,
        soonest: Policy | None = None,
        on_decision: Callable[[Decision, bool], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        network: Network | None = None,
        answers: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        self.policy, self.world, self.executor, self.joules = policy, world, executor, joules
        self.clock, self.soonest = clock, soonest
        self._on_decision, self._sleep = on_decision, sleep
        self._links = {node.name: node for node in world.nodes}
        self._network, self._answers = network or Network(), answers or {}
        self._routes: dict[int, Route] = {}
        self._table: PlanTable | None = None
        self._errands: dict[int, _Errand] = {}
        self.snapshot_times_s: deque[float] = deque(maxlen=SNAPSHOT_TIMES)
        self.waiting: dict[str, Request] = {}
        """Requests that are put off at this moment, by id: what a planner has still to place."""

    async def serve(self, request: Request, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Served:
        """Take one request to its outcome. A refusal or a loss is an outcome too, not an exception.

        Work that can wait may be put off by its policy: it is decided anew at the moment that the decision names, and
        at ``request.deferrable_until_s`` at the latest. Its deadline and its latency count from the moment at which it
        was last taken up, since nobody waits for it before that. What was tried once is not put off any more.
        """
        decision_s, attempts, asked, deferred_s = 0.0, 0, request, 0.0
        without: str | None = None
        while True:
            decision, fallback, took_s = self.decide(asked, without)
            decision_s += took_s
            if (
                decision.start_s is not None
                and not attempts
                and await self._waited(request, decision.start_s)
            ):
                deferred_s = self.clock.now_s() - request.arrival_s
                continue
            if decision.row < 0:
                status = "lost" if attempts else "refused"
                return Served(
                    outcome=_unserved(request, self.policy.name, status, attempts, decision_s, deferred_s),
                    outputs=None,
                    decision=decision,
                )
            attempts += 1
            try:
                ran, parts = await self._run(decision, inputs)
            except NodeLost as fault:
                self._notice_the_dead()
                without = fault.node if isinstance(fault, Declined) else None
                if attempts < MAX_ATTEMPTS:
                    asked = self._hurried(request, deferred_s)
                    continue
                return Served(
                    outcome=_unserved(request, self.policy.name, "lost", attempts, decision_s, deferred_s),
                    outputs=None,
                    decision=decision,
                )
            outcome = self.account(request, decision, ran, parts, attempts, fallback, decision_s, deferred_s)
            return Served(outcome=outcome, outputs=ran.outputs, decision=decision, parts=parts)

    async def _waited(self, request: Request, start_s: float) -> bool:
        """Wait until ``start_s`` or as long as the request can; False at once where it cannot wait (any longer).

        While it waits it stands in ``waiting`` and in no node's queue.
        """
        if request.deferrable_until_s is None:
            return False
        wait_s = min(start_s, request.deferrable_until_s) - self.clock.now_s()
        if wait_s <= 0:
            return False
        self.waiting[request.id] = request
        try:
            await self._sleep(wait_s)
        finally:
            del self.waiting[request.id]
        return True

    def _notice_the_dead(self) -> None:
        """Take every node that the executor has lost out of the next snapshot.

        Another engine on the same nodes may have seen them die; the second attempt must not go to one of those.
        """
        for node, alive in self.executor.alive().items():
            if not alive:
                self.world.lost(node)

    def _hurried(self, request: Request, deferred_s: float) -> Request:
        """The request as it stands now: what its first try took is gone from its deadline."""
        if request.deadline_s is None:
            return request
        left_s = request.deadline_s - (self.clock.now_s() - request.arrival_s - deferred_s)
        return dataclasses.replace(request, deadline_s=max(0.0, left_s))

    def decide(self, request: Request, without: str | None = None) -> tuple[Decision, bool, float]:
        """The decision, whether it is the fallback's, and the seconds it took, the snapshot not included.

        Args:
            request: to be decided on.
            without: node that has declined it.
        """
        begin_s = time.perf_counter()
        snapshot = self.world.snapshot(self.clock.now_s())
        if without is not None:
            others = snapshot.alive & np.array([name != without for name in snapshot.nodes])
            snapshot = dataclasses.replace(snapshot, alive=others)
        start_s = time.perf_counter()
        decision = self.policy.decide(request, snapshot)
        fallback = decision.row < 0 and decision.start_s is None and self.soonest is not None
        if fallback and self.soonest is not None:
            refused, decision = decision, self.soonest.decide(request, snapshot)
            if decision.row < 0:  # nothing serves it at all: the policy's own reasons say more
                decision, fallback = refused, False
        took_s = time.perf_counter() - start_s
        self.snapshot_times_s.append(start_s - begin_s)
        if self._on_decision is not None:
            self._on_decision(decision, fallback)
        return decision, fallback, took_s

    async def _run(
        self, decision: Decision, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> tuple[Ran, tuple[Part, ...]]:
        table, row, request = decision.snapshot.plans, decision.row, decision.request
        stages = table.stages.get(row)
        if stages is not None:
            return await self._run_chain(self._route(decision, stages), request, inputs)
        if table is not self._table:
            self._table, self._errands = table, {}
        errand = self._errands.get(row)
        if errand is None:
            errand = self._errands[row] = self._errand(decision)
        name, key, fixed_s, each_s, linked = errand
        self.world.begin(name, request.id, fixed_s + each_s * request.count, self.clock.now_s())
        took_s: float | None = None
        try:
            if linked:
                delay_s = link_delay_s(self._links[name], sum(value.nbytes for value in inputs.values()))
                if delay_s:
                    await self._sleep(delay_s)
            ran = await self.executor.run(name, key, inputs)
            took_s = ran.end_s - ran.start_s
            return ran, (Part(name, ran.cpu_s, ran.energy),)
        except NodeLost:
            self._notice(name)
            raise
        finally:
            self.world.end(name, request.id, self.clock.now_s(), took_s)

    def _errand(self, decision: Decision) -> _Errand:
        """What a row that is not split asks for, worked out once a table: reading its columns takes longer."""
        table, row, name = decision.snapshot.plans, decision.row, decision.node or ""
        key = variant_key(decision.request.model, table.variant[row])
        linked = link_delay_s(self._links[name], 1) > 0.0
        return name, key, float(table.fixed_s[row]), float(table.latency_s[row]), linked

    def _notice(self, node: str) -> None:
        """Take a node out if nothing of it is left: one of several processes may have died alone."""
        if not self.executor.alive().get(node, False):
            self.world.lost(node)

    def _route(self, decision: Decision, stages: tuple[Stage, ...]) -> Route:
        """The route of a row, kept by identity: hashing its stages would take longer than a queue does."""
        route = self._routes.get(id(stages))
        if route is None or route.stages is not stages:
            if len(self._routes) >= _ROUTES:
                self._routes.clear()
            key = variant_key(decision.request.model, decision.variant or "")
            route = self._routes[id(stages)] = Route(stages, self._network, self._answers.get(key))
        return route

    async def _run_chain(
        self, route: Route, request: Request, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> tuple[Ran, tuple[Part, ...]]:
        """One stage after another. Stages of different requests overlap, since each node serves its own queue."""
        chain, ids = Chain(route, inputs), [f"{request.id}/{i}" for i in range(len(route.stages))]
        for stage, name in zip(route.stages, ids, strict=True):
            self.world.begin(stage.node, name, stage.latency_s * request.count, self.clock.now_s())
        ended, rans = 0, []
        try:
            for i, stage in enumerate(route.stages):
                took_s: float | None = None
                try:
                    rans.append(await self._run_stage(chain, i, stage))
                    took_s = rans[-1].end_s - rans[-1].start_s
                finally:
                    ended += 1
                    self.world.end(stage.node, ids[i], self.clock.now_s(), took_s)
            delay_s = chain.answer_delay_s()
            if delay_s:
                await self._sleep(delay_s)
        finally:
            self.executor.release(chain.left())
            for stage, name in zip(route.stages[ended:], ids[ended:], strict=True):
                self.world.end(stage.node, name, self.clock.now_s(), None)
        return _joined(chain, rans), tuple(
            Part(stage.node, ran.cpu_s, ran.energy) for stage, ran in zip(route.stages, rans, strict=True)
        )

    async def _run_stage(self, chain: Chain, i: int, stage: Stage) -> Ran:
        delay_s = chain.delay_s(i)
        if delay_s:
            await self._sleep(delay_s)
        try:
            ran = await self.executor.run(stage.node, stage.piece, chain.given(i), chain.route.hold[i])
        except NodeLost:
            self._notice(stage.node)
            raise
        self.executor.release(chain.took(i, ran))
        return ran

    def account(
        self,
        request: Request,
        decision: Decision,
        ran: Ran,
        parts: Sequence[Part],
        attempts: int,
        fallback: bool,
        decision_s: float,
        deferred_s: float = 0.0,
    ) -> Outcome:
        """What it cost: the joules that each part's node told, else its CPU seconds priced, at the node's intensity."""
        now_s = self.clock.now_s()
        latency_s = now_s - request.arrival_s - deferred_s
        energy_j, grams, method = self._spent(parts)
        return Outcome(
            request=request.id,
            policy=self.policy.name,
            status="completed",
            node=parts[0].node if len(parts) == 1 else NODES_JOINED.join(part.node for part in parts),
            variant=decision.snapshot.plans.variant[decision.row],
            count=request.count,
            correct=None,
            arrival_s=request.arrival_s,
            start_s=ran.start_s,
            end_s=now_s,
            attempts=attempts,
            late=request.deadline_s is not None and latency_s > request.deadline_s,
            fallback=fallback,
            cpu_s=ran.cpu_s,
            cost=Cost(latency_s=latency_s, energy_j=energy_j, carbon_g=grams),
            method=method,
            decision_s=decision_s,
            deferred_s=deferred_s,
        )

    def _spent(self, parts: Sequence[Part]) -> tuple[float, float, Method]:
        """Joules and grams of all parts, and how the joules are known."""
        if len(parts) == 1:  # as a rule, and then it is worth sparing the sums
            part = parts[0]
            energy_j = self._energy_j(part)
            return energy_j, self._grams(part.node, energy_j), self._method(part)
        joules = [self._energy_j(part) for part in parts]
        grams = sum(self._grams(part.node, energy_j) for part, energy_j in zip(parts, joules, strict=True))
        return sum(joules), grams, weakest(*(self._method(part) for part in parts))

    def _energy_j(self, part: Part) -> float:
        return self.joules.energy_j(part.node, part.cpu_s) if part.energy is None else part.energy.value

    def _method(self, part: Part) -> Method:
        return self.joules.method(part.node) if part.energy is None else part.energy.method

    def _grams(self, node: str, energy_j: float) -> float:
        intensity = self.world.intensity(node)
        return carbon_g(energy_j, intensity.value, self._links[node].pue) if intensity else math.nan


def _joined(chain: Chain, rans: Sequence[Ran]) -> Ran:
    """A split request as one run: its answer, from its first start to its last end."""
    return Ran(
        outputs=chain.answer(),
        start_s=rans[0].start_s,
        end_s=rans[-1].end_s,
        cpu_s=sum(ran.cpu_s for ran in rans),
    )


def variant_key(model: str, variant: str) -> str:
    """What an executor calls a variant: nodes hold variants of several models."""
    return f"{model}/{variant}"


def link_delay_s(node: Node, size_bytes: int) -> float:
    """Declared delay of reaching a node: round trip plus bytes over bandwidth; 0 where no link is declared."""
    transfer_s = size_bytes / node.link.bytes_per_s if node.link.bytes_per_s else 0.0
    return node.link.rtt_s + transfer_s


def refusal(decision: Decision) -> Infeasible:
    """The error for a request that no plan can serve, with every verdict."""
    verdicts = decision.verdicts
    why = "; ".join(f"{v.node}/{v.variant}: {v.reason}" for v in verdicts) or (
        f"no node serves the model {decision.request.model!r}"
    )
    return Infeasible(f"no plan can serve request {decision.request.id}: {why}.", verdicts)


def _unserved(
    request: Request, policy: str, status: str, attempts: int, decision_s: float, deferred_s: float
) -> Outcome:
    return Outcome(
        request=request.id,
        policy=policy,
        status="lost" if status == "lost" else "refused",
        node="",
        variant="",
        count=request.count,
        correct=None,
        arrival_s=request.arrival_s,
        start_s=math.nan,
        end_s=math.nan,
        attempts=attempts,
        late=False,
        fallback=False,
        cpu_s=math.nan,
        cost=Cost(latency_s=math.nan, energy_j=math.nan, carbon_g=math.nan),
        method="modelled",
        decision_s=decision_s,
        deferred_s=deferred_s,
    )
