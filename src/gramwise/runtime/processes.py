"""Nodes as child processes of this one, each capped, with tensors in shared memory: the local executor.

A node with several slots is several processes in one control group. A process that dies is seen at once, because its
end of the socket closes; whatever it was running raises `NodeLost`, and when its last process is gone so is the node.
"""

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

import msgspec

from gramwise.core.errors import ConfigError, ExecutionError, ModelError, NodeLost, Rejected
from gramwise.core.machines import Node
from gramwise.core.protocols import NodeUsage, Ran
from gramwise.power.clocks import cgroup_cpu_s, process_cpu_s
from gramwise.runtime import caps, wire
from gramwise.runtime.tasks import together

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

START_LIMIT_S = 120.0
"""A node that has not loaded its models by then is given up: our own judgement, long even for a small CPU share."""

SILENCE_LIMIT_S = 60.0
"""A node that says nothing about a request for this long, divided by its CPU share, is taken for dead and killed, so
that the request can go on elsewhere."""

_STOP_LIMIT_S = 5.0

_ONE_BLAS_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""NumPy's BLAS would start a thread per core that spins for 50 ms before it sleeps: CPU time that no request caused."""


@dataclass(slots=True)
class _Slot:
    """One process of a node."""

    process: subprocess.Popen[bytes]
    memory: wire.SharedMemory
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    errors: IO[bytes]
    ready: wire.Ready | None = None
    clocks_at_start_s: float = 0.0
    lost: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def alive(self) -> bool:
        return not self.lost and self.process.poll() is None

    async def ask(self, question: wire.Question) -> wire.Answer:
        """Send and await the answer; one question at a time, since answers carry no number.

        Raises:
            NodeLost: the process ended before it answered.
        """
        async with self.turn:
            try:
                self.writer.write(wire.frame(question))
                return await self.listen()
            except (asyncio.IncompleteReadError, ConnectionError, OSError) as fault:
                self.lost = True
                raise NodeLost("the process ended before it answered") from fault
            except asyncio.CancelledError:
                # The answer is still to come and would be taken for the next one's: this process is of no more use.
                self.lost = True
                self.process.kill()
                raise

    async def listen(self) -> wire.Answer:
        header = await self.reader.readexactly(wire.HEADER.size)
        answer: wire.Answer = wire.read_answer(await self.reader.readexactly(wire.HEADER.unpack(header)[0]))
        return answer

    async def hang_up(self) -> None:
        """Close our end of the socket, which tells the process to end. In the loop: transports are not for threads."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def end(self) -> None:
        """Wait for the process, and kill it when it does not end by itself."""
        self.lost = True
        try:
            self.process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.memory.close()
        self.errors.close()


class _LocalNode:
    """A node's slots, the free ones in a queue that is served in order of arrival."""

    def __init__(self, node: Node, group: caps.Group) -> None:
        self.node, self.group = node, group
        self.slots: list[_Slot] = []
        self.free: asyncio.Queue[_Slot | None] = asyncio.Queue()
        self.counter_at_start_s = 0.0
        self.last_clocks: dict[int, wire.Clocks] = {}
        self.silence_limit_s = SILENCE_LIMIT_S / min(1.0, node.cpu_share)
        self.exchanges: set[asyncio.Task[Ran]] = set()

    @property
    def alive(self) -> bool:
        return any(slot.alive for slot in self.slots)

    async def start(self, models: Mapping[str, str]) -> None:
        for _ in range(self.node.slots):
            self.slots.append(await self._spawn(models))
        for slot in self.slots:
            await self._await_ready(slot)
            self.free.put_nowait(slot)
        for slot in self.slots:
            slot.clocks_at_start_s = (
                process_cpu_s(slot.process.pid) or 0.0 if sys.platform == "linux" else 0.0
            )
        if self.group.counter is not None:
            self.counter_at_start_s = cgroup_cpu_s(self.group.counter) or 0.0

    async def _spawn(self, models: Mapping[str, str]) -> _Slot:
        ours, theirs = socket.socketpair()
        memory = wire.SharedMemory()
        order = {
            "socket": theirs.fileno(),
            "memory": memory.descriptor,
            "join": [str(file) for file in self.group.join],
            "models": dict(models),
            "virtual_share": self.node.cpu_share / self.node.slots if self.group.kind == "virtual" else None,
        }
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - not a pipe: one that nobody reads fills up and blocks
        with theirs:
            process = subprocess.Popen(
                # -P: the user's folder is no place to import from.
                [sys.executable, "-P", "-m", "gramwise.runtime.worker", json.dumps(order)],
                pass_fds=(theirs.fileno(), memory.descriptor),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env={**os.environ, **_ONE_BLAS_THREAD},
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return _Slot(process, memory, reader, writer, errors)

    async def _await_ready(self, slot: _Slot) -> None:
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

    def _died_at_start(self, slot: _Slot) -> Exception:
        code = slot.process.wait(_STOP_LIMIT_S)
        slot.errors.seek(0)
        said = slot.errors.read().decode(errors="replace").strip().splitlines()
        name, memory = self.node.name, self.group.memory_bytes
        if self.group.memory_kills() or code == -signal.SIGKILL:
            return ConfigError(
                f"the node was killed at its cap of {memory / 2**20:.0f} MiB while loading its models.",
                key=f"nodes.{name}.memory",
                fix="Write a larger memory, or give it a smaller variant.",
            )
        last = said[-1] if said else "it said nothing"
        return ExecutionError(f"nodes.{name}: the node process ended with code {code}: {last}")

    async def run(self, variant: str, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Ran:
        slot = await self.free.get()
        if slot is None:  # the node died while we waited: wake the next in line too
            self.free.put_nowait(None)
            raise NodeLost(f"node {self.node.name} died")
        # A caller who gives up must not leave an answer behind that the next one would take for its own: the exchange
        # goes on to its end by itself, and gives the slot back then.
        exchange = asyncio.create_task(self._exchange(slot, variant, inputs))
        self.exchanges.add(exchange)
        exchange.add_done_callback(self._done)
        return await asyncio.shield(exchange)

    def _done(self, exchange: asyncio.Task[Ran]) -> None:
        self.exchanges.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # a fault that nobody waits for any more is not worth a warning

    async def _exchange(
        self, slot: _Slot, variant: str, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> Ran:
        try:
            tensors = slot.memory.write(inputs)
            async with asyncio.timeout(self.silence_limit_s):
                answer = await slot.ask(wire.Run(variant, tensors, slot.memory.size))
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
            outputs = wire.unpack(answer.tensors, answer.data)
            return Ran(outputs=outputs, start_s=answer.start_s, end_s=answer.end_s, cpu_s=answer.cpu_s)
        raise Rejected(answer.message if isinstance(answer, wire.Fault) else "unexpected answer")

    def _attribute(self, slot: _Slot, cpu_s: float) -> None:
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


class ProcessExecutor:
    """See `gramwise.core.protocols.Executor`. Use `start`, not the constructor."""

    def __init__(self, nodes: Mapping[str, _LocalNode], kind: caps.Kind) -> None:
        self._nodes = nodes
        self.caps = kind

    @classmethod
    async def start(
        cls, nodes: Sequence[Node], models: Mapping[str, Mapping[str, str]], maker: caps.Maker
    ) -> ProcessExecutor:
        """Start every node with the variants it holds.

        Args:
            nodes: what to start.
            models: by node name, file by variant.
            maker: of the caps.

        Raises:
            ModelError: a model file cannot be loaded.
            ConfigError: a node was killed at its memory cap.
            ExecutionError: a node cannot be started; what was started is stopped again.
        """
        local: dict[str, _LocalNode] = {}
        try:
            for node in nodes:
                group = maker.make(node.name, node.cpu_share, node.memory_bytes)
                local[node.name] = _LocalNode(node, group)
            await together(local[node.name].start(models[node.name]) for node in nodes)
        except BaseException:
            await cls(local, maker.kind).close()
            raise
        return cls(local, maker.kind)

    def alive(self) -> dict[str, bool]:
        """Which nodes can still take work."""
        return {name: node.alive for name, node in self._nodes.items()}

    def inputs(self, node: str, variant: str) -> dict[str, tuple[tuple[int | None, ...], str]]:
        """Shape and NumPy type of a loaded variant's inputs, by name."""
        ready = self._nodes[node].slots[0].ready
        return ready.inputs[variant] if ready else {}

    def rss_bytes(self, node: str) -> int:
        """Peak resident memory of the node's first process once its models were loaded."""
        ready = self._nodes[node].slots[0].ready
        return ready.rss_bytes if ready else 0

    def killed_for_memory(self, node: str) -> int | None:
        """The cap in bytes at which the kernel killed the node, or None."""
        group = self._nodes[node].group
        return group.memory_bytes if group.memory_kills() else None

    def pids(self, node: str) -> list[int]:
        """Process ids of a node."""
        return [slot.process.pid for slot in self._nodes[node].slots]

    async def run(self, node: str, variant: str, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Ran:
        """See `gramwise.core.protocols.Executor.run`."""
        return await self._nodes[node].run(variant, inputs)

    async def usage(self, node: str) -> NodeUsage:
        """See `gramwise.core.protocols.Executor.usage`."""
        return await self._nodes[node].usage()

    async def close(self) -> None:
        """Stop every node, remove its control group. Doing it twice does no harm."""
        await asyncio.gather(*(slot.hang_up() for node in self._nodes.values() for slot in node.slots))
        await asyncio.gather(*(asyncio.to_thread(node.end) for node in self._nodes.values()))
