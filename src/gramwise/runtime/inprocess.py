"""Nodes inside this process: for embedding, where one program serves its own models and wants no child processes.

A node is a set of sessions and as many threads as it has slots. Its CPU share is a declared virtual speed: after each
run it waits so that its pace is that share. Nothing isolates the nodes from each other or from the program.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakValueDictionary

from gramwise.core.clock import SystemClock
from gramwise.core.errors import Rejected
from gramwise.core.machines import Node
from gramwise.core.protocols import Held, NodeUsage, Ran
from gramwise.runtime.session import Session

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


_CLOCK = SystemClock()


class _ThreadNode:
    def __init__(self, node: Node, models: Mapping[str, Session]) -> None:
        self.node, self.sessions = node, dict(models)
        self.pool = ThreadPoolExecutor(node.slots, thread_name_prefix=f"gramwise-{node.name}")
        self.attributed_s = 0.0
        self._lock = threading.Lock()

    def run(
        self,
        variant: str,
        inputs: Mapping[str, npt.NDArray[np.generic] | Held],
        hold: Collection[str] = (),
    ) -> Ran:
        session = self.sessions.get(variant)
        if session is None:
            raise Rejected(f"node {self.node.name} holds no {variant}")
        start_s = _CLOCK.now_s()
        given = {name: cast("Any", v.place) if isinstance(v, Held) else v for name, v in inputs.items()}
        outputs, cpu_s = session.run(given)
        if not outputs.keys() >= set(hold):
            raise Rejected(f"{variant} makes no {', '.join(set(hold) - outputs.keys())}")
        if self.node.cpu_share < 1.0:
            time.sleep(max(0.0, cpu_s * (1.0 / self.node.cpu_share - 1.0)))
        with self._lock:
            self.attributed_s += cpu_s
        held = {name: _held(name, outputs.pop(name)) for name in hold}
        return Ran(outputs=outputs, start_s=start_s, end_s=_CLOCK.now_s(), cpu_s=cpu_s, held=held)


def _held(name: str, value: npt.NDArray[np.generic]) -> Held:
    """The array itself: all nodes are in one process."""
    return Held(name=name, dtype=value.dtype.str, shape=value.shape, nbytes=value.nbytes, place=value)


class InProcessExecutor:
    """See `gramwise.core.protocols.Executor`. Nodes share a session where they hold the same file."""

    caps = "virtual"

    def __init__(self, nodes: Sequence[Node], models: Mapping[str, Mapping[str, str]]) -> None:
        self._loaded: WeakValueDictionary[str, Session] = WeakValueDictionary()
        self._nodes = {}
        for node in nodes:
            sessions = {variant: self._session(path) for variant, path in models[node.name].items()}
            self._nodes[node.name] = _ThreadNode(node, sessions)

    def _session(self, path: str) -> Session:
        session = self._loaded.get(path)
        if session is None:
            session = self._loaded[path] = Session(path)
        return session

    async def load(self, node: str, variant: str, path: str) -> None:
        """Load a model file into a node under this name, in place of what had the name.

        Raises:
            ModelError: the file cannot be loaded; the node goes on with what it held.
        """
        at = self._nodes[node]
        loop = asyncio.get_running_loop()
        at.sessions[variant] = await loop.run_in_executor(at.pool, self._session, path)

    async def drop(self, node: str, variant: str) -> None:
        """Take a variant from a node; one that it does not hold is gone already."""
        self._nodes[node].sessions.pop(variant, None)

    def alive(self) -> dict[str, bool]:
        """A thread does not die alone: always every node."""
        return dict.fromkeys(self._nodes, True)

    def inputs(self, node: str, variant: str) -> dict[str, tuple[tuple[int | None, ...], str]]:
        """Shape and NumPy type of a loaded variant's inputs, by name."""
        return self._nodes[node].sessions[variant].inputs

    async def run(
        self,
        node: str,
        variant: str,
        inputs: Mapping[str, npt.NDArray[np.generic] | Held],
        hold: Collection[str] = (),
    ) -> Ran:
        """See `gramwise.core.protocols.Executor.run`."""
        at = self._nodes[node]
        return await asyncio.get_running_loop().run_in_executor(at.pool, at.run, variant, inputs, hold)

    def release(self, held: Iterable[Held]) -> None:
        """Nothing to do: an array goes when nobody has it any more."""

    async def usage(self, node: str) -> NodeUsage:
        """Attributed time only: the process belongs to somebody else, so no counter is the node's own."""
        return NodeUsage(attributed_s=self._nodes[node].attributed_s, overhead_s=None, metered_s=None)

    async def close(self) -> None:
        """Stop the threads."""
        for node in self._nodes.values():
            node.pool.shutdown(wait=True)


class InlineExecutor(InProcessExecutor):
    """Runs in the calling thread, for synchronous callers: its coroutines never wait for an event loop.

    Hops to other threads and back cost 0.2 ms a request (docs/measurements), and a program that asks from several of
    its own threads already has what an event loop would give. A node's slots are kept by a lock or a semaphore.
    """

    def __init__(self, nodes: Sequence[Node], models: Mapping[str, Mapping[str, str]]) -> None:
        super().__init__(nodes, models)
        # A lock is C, a semaphore is Python: the difference is felt on every request.
        self._slots = {
            n.name: threading.Semaphore(n.slots) if n.slots > 1 else threading.Lock() for n in nodes
        }

    async def run(
        self,
        node: str,
        variant: str,
        inputs: Mapping[str, npt.NDArray[np.generic] | Held],
        hold: Collection[str] = (),
    ) -> Ran:
        """See `gramwise.core.protocols.Executor.run`; blocks the calling thread."""
        with self._slots[node]:
            return self._nodes[node].run(variant, inputs, hold)

    async def load(self, node: str, variant: str, path: str) -> None:
        """See `InProcessExecutor.load`; blocks the calling thread."""
        self._nodes[node].sessions[variant] = self._session(path)
