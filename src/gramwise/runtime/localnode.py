"""A node of several processes: who starts them, whose turn it is, what becomes of them when they die or hang."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gramwise.core.errors import ConfigError, ExecutionError, ModelError, NodeLost, Rejected
from gramwise.core.machines import Node
from gramwise.core.protocols import Held, NodeUsage, Ran
from gramwise.power.clocks import cgroup_cpu_s, process_cpu_s
from gramwise.runtime import caps, wire
from gramwise.runtime.slot import STOP_LIMIT_S, Place, Slot, held, nobody_waits, reading, there

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

START_LIMIT_S = 120.0
"""A node that has not loaded its models by then is given up: our own judgement, long even for a small CPU share."""

SILENCE_LIMIT_S = 60.0
"""A node that says nothing about a request for this long, divided by its CPU share, is taken for dead and killed, so
that the request can go on elsewhere."""


_ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""NumPy's BLAS would start a thread per core that spins for 50 ms before it sleeps: CPU time that no request caused."""


class LocalNode:
    """A node's slots, the free ones in a queue that is served in order of arrival.

    Args:
        node: what it is.
        group: its caps.
        stores: memory of every store of the fleet, by number.
        first: number of this node's first store.
    """

    def __init__(
        self, node: Node, group: caps.Group, stores: Sequence[wire.SharedMemory], first: int
    ) -> None:
        self.node, self.group, self.stores, self.first = node, group, stores, first
        self.slots: list[Slot] = []
        self.free: asyncio.Queue[Slot | None] = asyncio.Queue()
        self.counter_at_start_s = 0.0
        self.last_clocks: dict[int, wire.Clocks] = {}
        self.silence_limit_s = SILENCE_LIMIT_S / min(1.0, node.cpu_share)
        self.exchanges: set[asyncio.Task[Ran]] = set()

    @property
    def alive(self) -> bool:
        return any(slot.alive for slot in self.slots)

    @property
    def ready(self) -> wire.Ready:
        """What the node's first living process said last of what it holds."""
        told = [slot.ready for slot in self.slots if slot.ready is not None and not slot.lost]
        return told[0] if told else wire.Ready({}, 0)

    async def start(self, models: Mapping[str, str]) -> None:
        for number in range(self.first, self.first + self.node.slots):
            self.slots.append(await self._spawn(models, number))
        for slot in self.slots:
            await self._await_ready(slot)
            self.free.put_nowait(slot)
        for slot in self.slots:
            slot.clocks_at_start_s = (
                process_cpu_s(slot.process.pid) or 0.0 if sys.platform == "linux" else 0.0
            )
        if self.group.counter is not None:
            self.counter_at_start_s = cgroup_cpu_s(self.group.counter) or 0.0

    async def _spawn(self, models: Mapping[str, str], number: int) -> Slot:
        ours, theirs = socket.socketpair()
        memory = wire.SharedMemory()
        stores = [store.descriptor for store in self.stores]
        order = {
            "socket": theirs.fileno(),
            "memory": memory.descriptor,
            "stores": stores,
            "store": number,
            "join": [str(file) for file in self.group.join],
            "models": dict(models),
            "virtual_share": self.node.cpu_share / self.node.slots if self.group.kind == "virtual" else None,
        }
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - not a pipe: one that nobody reads fills up and blocks
        with theirs:
            process = subprocess.Popen(
                # -P: the user's folder is no place to import from.
                [sys.executable, "-P", "-m", "gramwise.runtime.worker", json.dumps(order)],
                pass_fds=(theirs.fileno(), memory.descriptor, *stores),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, **_ONE_BLAS_THREAD},
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return Slot(process, memory, number, reader, writer, errors)

    async def _await_ready(self, slot: Slot) -> None:
        name = self.node.name
        try:
            answer = await asyncio.wait_for(slot.listen(), START_LIMIT_S)
        except TimeoutError as fault:
            raise ExecutionError(
                f"nodes.{name}: not ready after {START_LIMIT_S:.0f} s. Raise its cpu_share or use a smaller model."
            ) from fault
        except (asyncio.IncompleteReadError, ConnectionError) as fault:
            raise self._died_at_start(slot) from fault
        if isinstance(answer, wire.Fault):
            raise ModelError(answer.message)
        if not isinstance(answer, wire.Ready):
            raise ExecutionError(f"nodes.{name}: answered {type(answer).__name__} instead of being ready")
        slot.ready = answer

    def _died_at_start(self, slot: Slot) -> Exception:
        code = slot.process.wait(STOP_LIMIT_S)
        slot.errors.seek(0)
        said = slot.errors.read().decode(errors="replace").strip().splitlines()
        name = self.node.name
        if self.group.memory_kills() or code == -signal.SIGKILL:
            return self._outgrown("while loading its models")
        last = said[-1] if said else "it said nothing"
        return ExecutionError(f"nodes.{name}: the node process ended with code {code}: {last}")

    def _outgrown(self, when: str) -> ConfigError:
        return ConfigError(
            f"the node was killed at its cap of {self.group.memory_bytes / 2**20:.0f} MiB {when}.",
            key=f"nodes.{self.node.name}.memory",
            fix="Write a larger memory, or give it a smaller variant.",
        )

    async def run(
        self,
        variant: str,
        inputs: Mapping[str, npt.NDArray[np.generic] | Held],
        hold: Collection[str],
    ) -> Ran:
        places = reading(inputs)
        try:
            slot = await self._free_slot()
        except BaseException:
            for place in places:
                place.done()
            raise
        # A caller who gives up must not leave an answer behind that the next one would take for its own: the exchange
        # goes on to its end by itself, and gives the slot back then.
        exchange = asyncio.create_task(self._exchange(slot, variant, inputs, hold))
        self.exchanges.add(exchange)
        exchange.add_done_callback(partial(self._done, places))
        try:
            return await asyncio.shield(exchange)
        except asyncio.CancelledError:
            exchange.add_done_callback(nobody_waits)
            raise

    async def _free_slot(self) -> Slot:
        slot = await self.free.get()
        if slot is None:  # the node died while we waited: wake the next in line too
            self.free.put_nowait(None)
            raise NodeLost(f"node {self.node.name} died")
        return slot

    async def change(self, question: wire.Load | wire.Drop) -> None:
        """Load or drop a variant in every process of the node, one after another, between their requests.

        Raises:
            ModelError: the file cannot be loaded; what was loaded of it is dropped again.
            ConfigError: the node was killed at its memory cap.
            NodeLost: it died for another reason.
        """
        if not self.alive:
            raise NodeLost(f"node {self.node.name} died")
        for slot in self.slots:
            if slot.alive:
                answer = await self._ask_to_change(slot, question)
                if isinstance(answer, wire.Ready):
                    slot.ready = answer
                    continue
                if isinstance(question, wire.Load):
                    await self.change(wire.Drop(question.variant))
                raise ModelError(answer.message if isinstance(answer, wire.Fault) else "unexpected answer")

    async def _ask_to_change(self, slot: Slot, question: wire.Question) -> wire.Answer:
        try:
            async with asyncio.timeout(max(START_LIMIT_S, self.silence_limit_s)):
                return await slot.ask(question)
        except (NodeLost, TimeoutError) as fault:
            if not self.alive:
                self.free.put_nowait(None)
            await asyncio.to_thread(
                slot.process.wait, STOP_LIMIT_S
            )  # the kernel counts a kill when it is done
            if self.group.memory_kills():
                raise self._outgrown("while it loaded a model") from fault
            why = "died" if isinstance(fault, NodeLost) else "did not answer"
            raise NodeLost(f"node {self.node.name} {why} while it loaded a model") from None

    def _done(self, places: Sequence[Place], exchange: asyncio.Task[Ran]) -> None:
        self.exchanges.discard(exchange)
        for place in places:
            place.done()
        if not exchange.cancelled():
            exchange.exception()  # a fault that nobody waits for any more is not worth a warning

    async def _exchange(
        self,
        slot: Slot,
        variant: str,
        inputs: Mapping[str, npt.NDArray[np.generic] | Held],
        hold: Collection[str],
    ) -> Ran:
        try:
            tensors = slot.memory.write({k: v for k, v in inputs.items() if not isinstance(v, Held)})
            tensors += there(inputs)
            freed, slot.freed = slot.freed, []
            async with asyncio.timeout(self.silence_limit_s):
                answer = await slot.ask(wire.Run(variant, tensors, list(hold), freed))
        except NodeLost:
            raise NodeLost(f"node {self.node.name} died") from None
        except TimeoutError:
            why = f"node {self.node.name} did not answer for {self.silence_limit_s:.0f} s"
            raise NodeLost(why) from None
        finally:
            if not slot.lost:
                self.free.put_nowait(slot)
            elif not self.alive:
                self.free.put_nowait(None)
        if isinstance(answer, wire.Done):
            self._attribute(slot, answer.cpu_s)
            return Ran(
                outputs=wire.unpack(answer.tensors, answer.data),
                start_s=answer.start_s,
                end_s=answer.end_s,
                cpu_s=answer.cpu_s,
                held={tensor.name: held(slot, tensor) for tensor in answer.held},
            )
        raise Rejected(answer.message if isinstance(answer, wire.Fault) else "unexpected answer")

    def _attribute(self, slot: Slot, cpu_s: float) -> None:
        """Keep the clocks of a process that may die before it is asked again: what it answered counts."""
        last = self.last_clocks.get(slot.process.pid, wire.Clocks(0.0, 0.0, 0.0))
        self.last_clocks[slot.process.pid] = msgspec.structs.replace(
            last, attributed_s=last.attributed_s + cpu_s
        )

    async def usage(self) -> NodeUsage:
        for slot in self.slots:
            if slot.alive:
                with contextlib.suppress(NodeLost, TimeoutError):
                    async with asyncio.timeout(self.silence_limit_s):
                        answer = await slot.ask(wire.Usage())
                    if isinstance(answer, wire.Clocks):
                        self.last_clocks[slot.process.pid] = answer
        clocks = self.last_clocks.values()
        return NodeUsage(
            attributed_s=sum(c.attributed_s for c in clocks),
            overhead_s=sum(c.overhead_s for c in clocks),
            metered_s=self._metered_s(),
        )

    def _metered_s(self) -> float | None:
        if self.group.counter is not None:
            counted = cgroup_cpu_s(self.group.counter)
            return None if counted is None else counted - self.counter_at_start_s
        if sys.platform != "linux":
            return sum(c.process_s for c in self.last_clocks.values())
        counts = [process_cpu_s(slot.process.pid) for slot in self.slots if slot.process.poll() is None]
        if len(counts) < len(self.slots) or None in counts:
            return None
        return sum(c for c in counts if c is not None) - sum(slot.clocks_at_start_s for slot in self.slots)

    def end(self) -> None:
        for slot in self.slots:
            slot.end()
        self.group.remove()
