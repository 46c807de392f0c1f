"""Tensors that stay at the node that made them: read there by the next, room given back, nothing overwritten early."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from runtime_kit import node
from split_kit import export

from gramwise.core.decision import Stage
from gramwise.core.errors import NodeLost, Rejected
from gramwise.core.protocols import Held
from gramwise.runtime import caps, wire
from gramwise.runtime.chain import Chain, Network, Route
from gramwise.runtime.inprocess import InlineExecutor, InProcessExecutor
from gramwise.runtime.processes import ProcessExecutor
from gramwise.runtime.session import Session
from gramwise.runtime.store import Rooms, Stores

pytestmark = pytest.mark.usefixtures("nothing_left")

Array = npt.NDArray[Any]
Images = Callable[[int], tuple[Array, Array]]

CUTS = [("h2",), ("h4",)]
NODES = ["a", "b", "c"]


@asynccontextmanager
async def processes(held: Mapping[str, Mapping[str, str]], slots: int = 1) -> AsyncIterator[ProcessExecutor]:
    nodes = [node(name, slots=slots) for name in held]
    executor = await ProcessExecutor.start(nodes, held, caps.find("virtual"))
    try:
        yield executor
    finally:
        await executor.close()


async def through(executor: Any, stages: Sequence[Stage], inputs: Mapping[str, Array]) -> dict[str, Array]:
    """One request through every stage, by the same steps as the engine."""
    chain = Chain(Route(stages, Network()), inputs)
    for i, stage in enumerate(stages):
        ran = await executor.run(stage.node, stage.piece, chain.given(i), chain.route.hold[i])
        executor.release(chain.took(i, ran))
    return chain.answer()


def store_bytes(executor: ProcessExecutor) -> list[int]:
    return [os.fstat(store.descriptor).st_size for store in executor._stores]


@pytest.mark.parametrize("slots", [1, 2])
def test_a_chain_of_processes_answers_as_the_whole_and_tensors_take_no_detour(
    model: Path, tmp_path: Path, some_images: Images, slots: int
) -> None:
    stages, held = export(model, NODES, CUTS, tmp_path / "pieces")
    images = some_images(16)[0]
    expected = Session(str(model)).run({"input": images})[0]["logits"]

    async def scene() -> None:
        async with processes(held, slots) as executor:
            for _ in range(3):
                answer = await through(executor, stages, {"input": images})
                np.testing.assert_array_equal(answer["logits"], expected)
            together = await asyncio.gather(
                *(through(executor, stages, {"input": images[i::4]}) for i in range(4))
            )
            for i, one in enumerate(together):
                np.testing.assert_array_equal(one["logits"].argmax(1), expected[i::4].argmax(1))
            # The middle node is given nothing but what the first one holds: the engine wrote no byte for it.
            assert [slot.memory.size for slot in executor._nodes["b"].slots] == [0] * slots
            assert executor._nodes["a"].slots[0].memory.size > 0

    asyncio.run(scene())


@pytest.mark.parametrize("kind", [InProcessExecutor, InlineExecutor])
def test_in_one_process_nothing_is_copied(
    model: Path, tmp_path: Path, some_images: Images, kind: type[InProcessExecutor]
) -> None:
    stages, held = export(model, NODES, CUTS, tmp_path / "pieces")
    images = some_images(16)[0]

    async def scene() -> None:
        executor = kind([node(name) for name in NODES], held)
        answer = await through(executor, stages, {"input": images})
        np.testing.assert_array_equal(
            answer["logits"], Session(str(model)).run({"input": images})[0]["logits"]
        )
        ran = await executor.run("a", "p0", {"input": images}, hold=["h2"])
        assert not ran.outputs
        assert isinstance(ran.held["h2"].place, np.ndarray)
        with pytest.raises(Rejected, match="p0 makes no h9"):
            await executor.run("a", "p0", {"input": images}, hold=["h9"])
        await executor.close()

    asyncio.run(scene())


def test_room_is_used_again_and_grows_no_further(model: Path, tmp_path: Path, some_images: Images) -> None:
    stages, held = export(model, NODES, CUTS, tmp_path / "pieces")
    images = some_images(16)[0]

    async def scene() -> None:
        async with processes(held) as executor:
            await through(executor, stages, {"input": images})
            once = store_bytes(executor)
            assert once[0] > 0
            for _ in range(40):
                await through(executor, stages, {"input": images})
            assert store_bytes(executor) == once
            for _ in range(20):
                await asyncio.gather(*(through(executor, stages, {"input": images}) for _ in range(3)))
            assert max(store_bytes(executor)) <= 8 * max(once)

    asyncio.run(scene())


def test_what_is_being_read_is_not_overwritten_though_it_was_released(
    model: Path, tmp_path: Path, some_images: Images
) -> None:
    _, held = export(model, NODES, CUTS, tmp_path / "pieces")
    first, other = some_images(8)[0], some_images(8)[0][::-1].copy()

    async def scene() -> None:
        async with processes(held) as executor:
            await read_while_released(executor, first, other)

    asyncio.run(scene())


async def read_while_released(executor: ProcessExecutor, first: Array, other: Array) -> None:
    async def made(images: Array) -> Mapping[str, Held]:
        return (await executor.run("a", "p0", {"input": images}, hold=["h2"])).held

    async def read(kept: Mapping[str, Held]) -> Array:
        return (await executor.run("b", "p1", kept)).outputs["h4"]

    expected, unlike = await read(await made(first)), await read(await made(other))
    assert not np.array_equal(expected, unlike)
    kept = await made(first)
    os.kill(executor.pids("b")[0], signal.SIGSTOP)
    reading = asyncio.ensure_future(read(kept))
    await asyncio.sleep(0.05)
    executor.release(kept.values())
    for _ in range(3):  # each would land in the room of what is being read, if that were free
        executor.release((await made(other)).values())
    os.kill(executor.pids("b")[0], signal.SIGCONT)
    np.testing.assert_array_equal(await reading, expected)


def test_who_gives_up_leaves_no_room_taken(model: Path, tmp_path: Path, some_images: Images) -> None:
    _, held = export(model, NODES, CUTS, tmp_path / "pieces")
    inputs = {"input": some_images(8)[0]}

    async def scene() -> None:
        async with processes(held) as executor:
            os.kill(executor.pids("a")[0], signal.SIGSTOP)
            running = asyncio.ensure_future(executor.run("a", "p0", inputs, hold=["h2"]))
            await asyncio.sleep(0.05)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            os.kill(executor.pids("a")[0], signal.SIGCONT)
            ran = [await executor.run("a", "p0", inputs, hold=["h2"]) for _ in range(2)]
            offsets = [kept.held["h2"].place.tensor.offset for kept in ran]  # type: ignore[attr-defined]
            # What nobody waited for has given its room back: the next one lies there, and only the second beside it.
            assert offsets[0] == 0
            assert offsets[1] > 0

    asyncio.run(scene())


def test_a_tensor_outlives_the_process_that_made_it(model: Path, tmp_path: Path, some_images: Images) -> None:
    _, held = export(model, NODES, CUTS, tmp_path / "pieces")
    inputs = {"input": some_images(8)[0]}

    async def scene() -> None:
        async with processes(held) as executor:
            kept = (await executor.run("a", "p0", inputs, hold=["h2"])).held
            expected = (await executor.run("b", "p1", kept)).outputs["h4"]
            os.kill(executor.pids("a")[0], signal.SIGKILL)
            with pytest.raises(NodeLost):
                await executor.run("a", "p0", inputs, hold=["h2"])
            np.testing.assert_array_equal((await executor.run("b", "p1", kept)).outputs["h4"], expected)
            os.kill(executor.pids("b")[0], signal.SIGKILL)
            with pytest.raises(NodeLost):
                await executor.run("b", "p1", kept)
            executor.release(kept.values())

    asyncio.run(scene())


def test_misuse_is_refused_and_the_node_goes_on(model: Path, tmp_path: Path, some_images: Images) -> None:
    _, held = export(model, NODES, CUTS, tmp_path / "pieces")
    inputs = {"input": some_images(8)[0]}

    async def scene() -> None:
        async with processes(held) as executor:
            kept = (await executor.run("a", "p0", inputs, hold=["h2"])).held
            with pytest.raises(Rejected, match="p0 makes no h9"):
                await executor.run("a", "p0", inputs, hold=["h9"])
            stranger = Held(name="h2", dtype="<f4", shape=(1,), nbytes=4, place=np.zeros(1))
            with pytest.raises(Rejected, match="'h2' is not held by a node of this executor"):
                await executor.run("b", "p1", {"h2": stranger})
            executor.release(kept.values())
            executor.release(kept.values())
            with pytest.raises(ValueError, match="'h2' was released"):
                await executor.run("b", "p1", kept)
            async with asyncio.timeout(5):
                again = (await executor.run("a", "p0", inputs, hold=["h2"])).held
                assert (await executor.run("b", "p1", again)).outputs["h4"].shape == (8, 32, 8, 8)

    asyncio.run(scene())


def test_rooms_are_first_fit_and_never_overlap() -> None:
    rng, rooms = np.random.default_rng(0), Rooms()
    there: dict[int, int] = {}
    for _ in range(500):
        if there and rng.random() < 0.5:
            offset = int(rng.choice(list(there)))
            rooms.free(offset)
            del there[offset]
            continue
        size = int(rng.integers(0, 1000))
        offset = rooms.take(size)
        assert offset % 64 == 0
        for begin, length in there.items():
            assert offset >= begin + max(1, length) or offset + max(1, size) <= begin
        there[offset] = size
    assert rooms.taken == len(there)
    for offset in there:
        rooms.free(offset)
    assert rooms.take(10_000) == 0


def test_stores_carry_odd_tensors_and_refuse_text_without_a_trace() -> None:
    memories = [wire.SharedMemory(), wire.SharedMemory()]
    here, there = Stores(memories, 0), Stores([wire.SharedMemory(os.dup(m.descriptor)) for m in memories], 1)
    values = {"scalar": np.array(3.25), "empty": np.zeros((0, 4), np.float32), "half": np.ones(3, np.float16)}
    given = wire.SharedMemory()
    with pytest.raises(Rejected, match="'text' holds Python objects"):
        here.hold({**values, "text": np.array(["a", None], dtype=object)})
    placed = here.hold(values)
    assert placed[0].offset == 0  # what was refused took no room
    for name, value in there.read(placed, given).items():
        assert value.dtype == values[name].dtype
        np.testing.assert_array_equal(value, values[name])
    large = here.hold({"large": np.arange(100_000.0)})
    np.testing.assert_array_equal(there.read(large, given)["large"], np.arange(100_000.0))
    for memory in (*memories, given, *there._memories):
        memory.close()
