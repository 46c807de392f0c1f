"""What passing a tensor from one node to another takes, besides the two models at its ends."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.machines import Node
from gramwise.core.protocols import Ran
from gramwise.graph.library import onnx_library
from gramwise.runtime.profile import LocalExecutor
from gramwise.runtime.profilefile import Hop, Spread

if TYPE_CHECKING:
    import numpy.typing as npt

SIZES_BYTES = (4096, 2**20)
"""Small enough to show what a message costs by itself; large enough to show what its bytes cost."""

_Seconds = dict[int, list[float]]
_REST_PERIODS = 3
_KEY = "hop"


async def measure_hop(
    executor: LocalExecutor, nodes: Sequence[Node], folder: Path, period_s: float, runs: int
) -> Hop | None:
    """Time a tensor on its way between the two nodes with the largest CPU shares.

    A model of one Relu runs on the first node, holds its output there, and on the second, which reads it. From the
    time of both, one alone on the second is taken off, and so is what the models themselves took: what remains is the
    message, the writing and the reading. Between rounds the nodes rest, so that no quota holds them. Lower quartiles
    are compared, since a neighbour on the machine lengthens these fractions of a millisecond and never shortens them.

    Args:
        executor: with the nodes running.
        nodes: all of them.
        folder: where the model is written.
        period_s: of the CPU quota.
        runs: of each size.

    Returns:
        None with fewer than two nodes.
    """
    if len(nodes) < 2:
        return None
    first, second = sorted(nodes, key=lambda node: -node.cpu_share)[:2]
    path = folder / "hop.onnx"
    path.write_bytes(_relu())
    for node in (first, second):
        await executor.load(node.name, _KEY, str(path))
    rest_s = 0.0 if executor.caps == "virtual" else _REST_PERIODS * period_s
    both: dict[int, list[float]] = {size: [] for size in SIZES_BYTES}
    alone: dict[int, list[float]] = {size: [] for size in SIZES_BYTES}
    for turn in range(-2, runs):
        for size in SIZES_BYTES:
            given = np.ones(size // 4, dtype=np.float32)
            both_s = await _both(executor, first, second, given)
            await asyncio.sleep(rest_s)
            alone_s = await _alone(executor, second, given)
            await asyncio.sleep(rest_s)
            if turn >= 0:
                both[size].append(both_s)
                alone[size].append(alone_s)
    for node in (first, second):
        await executor.drop(node.name, _KEY)
    return _line(first.name, second.name, both, alone)


async def _both(executor: LocalExecutor, first: Node, second: Node, given: npt.NDArray[Any]) -> float:
    start_s = time.perf_counter()
    made = await executor.run(first.name, _KEY, {"x": given}, hold=("y",))
    try:
        answer = await executor.run(second.name, _KEY, {"x": made.held["y"]})
    finally:
        executor.release(made.held.values())
    total_s = time.perf_counter() - start_s
    return total_s - _inside_s(executor, first, made) - _inside_s(executor, second, answer)


async def _alone(executor: LocalExecutor, node: Node, given: npt.NDArray[Any]) -> float:
    start_s = time.perf_counter()
    answer = await executor.run(node.name, _KEY, {"x": given})
    return time.perf_counter() - start_s - _inside_s(executor, node, answer)


def _inside_s(executor: LocalExecutor, node: Node, ran: Ran) -> float:
    """Seconds inside the model: at rest a quota does not stretch them, a declared virtual speed does."""
    return ran.cpu_s / min(1.0, node.cpu_share) if executor.caps == "virtual" else ran.cpu_s


def _line(sender: str, receiver: str, both: _Seconds, alone: _Seconds) -> Hop:
    small, large = SIZES_BYTES
    hops = [max(0.0, _lower_quartile(both[size]) - _lower_quartile(alone[size])) for size in SIZES_BYTES]
    s_per_byte = max(0.0, (hops[1] - hops[0]) / (large - small))
    return Hop(
        sender=sender,
        receiver=receiver,
        sizes_bytes=list(SIZES_BYTES),
        both_s=[Spread.of(both[size]) for size in SIZES_BYTES],
        alone_s=[Spread.of(alone[size]) for size in SIZES_BYTES],
        hop_s=hops,
        runs=len(both[small]),
        fixed_s=max(0.0, hops[0] - small * s_per_byte),
        s_per_byte=s_per_byte,
    )


def _lower_quartile(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=4, method="inclusive")[0]


def _relu() -> bytes:
    onnx = onnx_library()
    kind, helper = onnx.TensorProto.FLOAT, onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "hop",
        [helper.make_tensor_value_info("x", kind, ["n"])],
        [helper.make_tensor_value_info("y", kind, ["n"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content
