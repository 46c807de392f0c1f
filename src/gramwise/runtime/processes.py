"""Nodes as child processes of this one, each capped, with tensors in shared memory: the local executor.

A node with several slots is several processes in one control group. A process that dies is seen at once, because its
end of the socket closes; whatever it was running raises `NodeLost`, and when its last process is gone so is the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gramwise.core.machines import Node
from gramwise.core.protocols import Held, NodeUsage, Ran
from gramwise.runtime import caps, wire
from gramwise.runtime.localnode import LocalNode
from gramwise.runtime.slot import release
from gramwise.runtime.tasks import together

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class ProcessExecutor:
    """See `gramwise.core.protocols.Executor`. Use `start`, not the constructor."""

    def __init__(
        self, nodes: Mapping[str, LocalNode], kind: caps.Kind, stores: Sequence[wire.SharedMemory]
    ) -> None:
        self._nodes, self._stores = nodes, stores
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
        local: dict[str, LocalNode] = {}
        stores = [wire.SharedMemory() for node in nodes for _ in range(node.slots)]
        executor = cls(local, maker.kind, stores)
        try:
            first = 0
            for node in nodes:
                group = maker.make(node.name, node.cpu_share, node.memory_bytes)
                local[node.name] = LocalNode(node, group, stores, first)
                first += node.slots
            await together(local[node.name].start(models[node.name]) for node in nodes)
        except BaseException:
            await executor.close()
            raise
        return executor

    def alive(self) -> dict[str, bool]:
        """Which nodes can still take work."""
        return {name: node.alive for name, node in self._nodes.items()}

    def inputs(self, node: str, variant: str) -> dict[str, tuple[tuple[int | None, ...], str]]:
        """Shape and NumPy type of a loaded variant's inputs, by name."""
        return self._nodes[node].ready.inputs[variant]

    def rss_bytes(self, node: str) -> int:
        """Peak resident memory of the node's first process when it last loaded or dropped a model."""
        return self._nodes[node].ready.rss_bytes

    async def load(self, node: str, variant: str, path: str) -> None:
        """Load a model file into a running node under this name, in place of what had the name.

        Raises:
            ModelError: the file cannot be loaded; the node goes on with what it held.
            ConfigError: the node was killed at its memory cap, with key ``nodes.<name>.memory``.
            NodeLost: it died for another reason.
        """
        await self._nodes[node].change(wire.Load(variant, path))

    async def drop(self, node: str, variant: str) -> None:
        """Take a variant from a running node; one that it does not hold is gone already.

        Raises:
            NodeLost: the node died.
        """
        await self._nodes[node].change(wire.Drop(variant))

    def killed_for_memory(self, node: str) -> int | None:
        """The cap in bytes at which the kernel killed the node, or None."""
        group = self._nodes[node].group
        return group.memory_bytes if group.memory_kills() else None

    def pids(self, node: str) -> list[int]:
        """Process ids of a node."""
        return [slot.process.pid for slot in self._nodes[node].slots]

    async def run(
        self,
        node: str,
        variant: str,
        inputs: Mapping[str, npt.NDArray[np.generic] | Held],
        hold: Collection[str] = (),
    ) -> Ran:
        """See `gramwise.core.protocols.Executor.run`."""
        return await self._nodes[node].run(variant, inputs, hold)

    def release(self, held: Iterable[Held]) -> None:
        """See `gramwise.core.protocols.Executor.release`."""
        release(held)

    async def usage(self, node: str) -> NodeUsage:
        """See `gramwise.core.protocols.Executor.usage`."""
        return await self._nodes[node].usage()

    async def close(self) -> None:
        """Stop every node, remove its control group. Doing it twice does no harm."""
        await asyncio.gather(*(slot.hang_up() for node in self._nodes.values() for slot in node.slots))
        await asyncio.gather(*(asyncio.to_thread(node.end) for node in self._nodes.values()))
        for store in self._stores:
            store.close()
