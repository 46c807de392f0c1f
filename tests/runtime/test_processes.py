"""Nodes as child processes: answers, clocks, death, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from runtime_kit import node

from gramwise.core.errors import ConfigError, ModelError, NodeLost, Rejected
from gramwise.core.machines import Node
from gramwise.runtime import caps
from gramwise.runtime.inprocess import InProcessExecutor
from gramwise.runtime.processes import ProcessExecutor

pytestmark = pytest.mark.usefixtures("nothing_left")

Images = Callable[[int], tuple[npt.NDArray[Any], npt.NDArray[Any]]]


@asynccontextmanager
async def started(
    nodes: list[Node], files: Mapping[str, Path | str], kind: str = "auto"
) -> AsyncIterator[ProcessExecutor]:
    held = {n.name: {variant: str(path) for variant, path in files.items()} for n in nodes}
    executor = await ProcessExecutor.start(nodes, held, caps.find(kind))
    try:
        yield executor
    finally:
        await executor.close()


def test_answers_equal_those_in_process_and_pass_the_conformance_kit(
    model: Path, some_images: Images
) -> None:
    from gramwise.testing import check_executor

    inputs = {"input": some_images(64)[0]}
    here = InProcessExecutor([node("a")], {"a": {"m/full": str(model)}})

    async def both() -> None:
        async with started([node("a"), node("b", slots=2)], {"m/full": model}) as executor:
            expected = await here.run("a", "m/full", inputs)
            for name in ("a", "b", "b"):
                ran = await executor.run(name, "m/full", inputs)
                np.testing.assert_array_equal(ran.outputs["logits"], expected.outputs["logits"])
                assert 0 < ran.cpu_s <= ran.end_s - ran.start_s + 0.005
            assert executor.inputs("b", "m/full") == {"input": ((None, 1, 8, 8), "float32")}
            assert len(executor.pids("b")) == 2
            assert 30 * 2**20 < executor.rss_bytes("a") < 512 * 2**20
            for name in ("a", "b"):
                await check_executor(executor, name, "m/full", inputs)
        await here.close()

    asyncio.run(both())


@pytest.mark.parametrize("kind", ["auto", "virtual"])
def test_clocks_add_up_to_what_the_counter_says(model: Path, some_images: Images, kind: str) -> None:
    inputs = {"input": some_images(2000)[0]}

    async def work() -> None:
        async with started([node("a")], {"m/full": model}, kind) as executor:
            before = await executor.usage("a")
            cpu_s = 0.0
            while cpu_s < 1.0:
                cpu_s += (await executor.run("a", "m/full", inputs)).cpu_s
            after = await executor.usage("a")
        attributed_s = after.attributed_s - before.attributed_s
        assert attributed_s == pytest.approx(cpu_s, rel=1e-9)
        assert before.metered_s is not None
        assert after.metered_s is not None
        assert before.overhead_s is not None
        assert after.overhead_s is not None
        overhead_s = after.overhead_s - before.overhead_s
        metered_s = after.metered_s - before.metered_s
        assert (attributed_s + overhead_s) / metered_s == pytest.approx(1.0, abs=0.02)
        assert 0 <= overhead_s < attributed_s

    asyncio.run(work())


def test_usage_may_be_asked_while_a_request_runs(model: Path, some_images: Images) -> None:
    inputs = {"input": some_images(2000)[0]}

    async def work() -> None:
        async with started([node("a")], {"m/full": model}) as executor:
            running = asyncio.ensure_future(executor.run("a", "m/full", inputs))
            await asyncio.sleep(0.005)
            usage = await executor.usage("a")
            ran = await running
            again = await executor.usage("a")
            assert usage.attributed_s in (0.0, pytest.approx(ran.cpu_s))
            assert again.attributed_s == pytest.approx(ran.cpu_s)

    asyncio.run(work())


def test_a_node_killed_under_a_request_is_lost_and_the_others_go_on(model: Path, some_images: Images) -> None:
    work = {"input": some_images(20_000)[0]}
    inputs = {"input": some_images(10)[0]}

    async def scene() -> None:
        async with started([node("a"), node("b")], {"m/full": model}) as executor:
            first = await executor.run("a", "m/full", inputs)
            running = [asyncio.ensure_future(executor.run("a", "m/full", work)) for _ in range(3)]
            await asyncio.sleep(0.05)
            os.kill(executor.pids("a")[0], signal.SIGKILL)
            fates = await asyncio.gather(*running, return_exceptions=True)
            assert [type(fate) for fate in fates] == [
                NodeLost
            ] * 3  # the one that ran and the two in the queue
            assert executor.alive() == {"a": False, "b": True}
            with pytest.raises(NodeLost, match="a died"):
                await executor.run("a", "m/full", inputs)
            assert (await executor.run("b", "m/full", inputs)).outputs["logits"].shape == (10, 4)
            assert (await executor.usage("a")).attributed_s == pytest.approx(first.cpu_s)

    asyncio.run(scene())


def test_a_node_with_a_slot_left_goes_on(model: Path, some_images: Images) -> None:
    inputs = {"input": some_images(10)[0]}

    async def scene() -> None:
        async with started([node("a", slots=2)], {"m/full": model}) as executor:
            os.kill(executor.pids("a")[1], signal.SIGKILL)
            fates = [
                await asyncio.gather(executor.run("a", "m/full", inputs), return_exceptions=True)
                for _ in range(6)
            ]
            assert [type(fate) for (fate,) in fates].count(NodeLost) <= 1
            assert executor.alive() == {"a": True}
            async with asyncio.timeout(5):
                await asyncio.gather(*(executor.run("a", "m/full", inputs) for _ in range(4)))
            os.kill(executor.pids("a")[0], signal.SIGKILL)
            with pytest.raises(NodeLost):
                await executor.run("a", "m/full", inputs)
            assert executor.alive() == {"a": False}

    asyncio.run(scene())


def test_a_refused_input_costs_the_node_nothing(model: Path, some_images: Images) -> None:
    good = {"input": some_images(4)[0]}
    bad: list[dict[str, Any]] = [
        {"input": np.zeros((4, 1, 8), np.float32)},
        {"input": np.zeros((4, 1, 8, 8), np.float64)},
        {"wrong": good["input"]},
        {"input": np.array([["a", None]], dtype=object)},
        {},
    ]

    async def scene() -> None:
        async with started([node("a")], {"m/full": model}) as executor:
            for inputs in bad:
                with pytest.raises(Rejected):
                    await executor.run("a", "m/full", inputs)
                async with asyncio.timeout(5):
                    await executor.run("a", "m/full", good)
            with pytest.raises(Rejected, match="m/other"):
                await executor.run("a", "m/other", good)
            with pytest.raises(AttributeError):
                await executor.run("a", "m/full", {"input": [[1.0]]})  # type: ignore[dict-item]
            async with asyncio.timeout(5):
                assert (await executor.run("a", "m/full", good)).cpu_s > 0

    asyncio.run(scene())


def test_a_node_that_complains_a_lot_goes_on(model: Path, tmp_path: Path) -> None:
    """onnxruntime writes to standard error when a run fails inside; a pipe that nobody reads would fill up."""
    from onnx import TensorProto, helper, save

    graph = helper.make_graph(
        [helper.make_node("Reshape", ["input", "shape"], ["out"])],
        "reshape",
        [
            helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("shape", TensorProto.INT64, [2]),
        ],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    file = tmp_path / "reshape.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), file)
    bad = {"input": np.zeros(5, np.float32), "shape": np.array([2, 3])}

    async def scene() -> None:
        async with started([node("a")], {"m/full": file}) as executor:
            async with asyncio.timeout(30):
                for _ in range(1000):
                    with pytest.raises(Rejected):
                        await executor.run("a", "m/full", bad)

    asyncio.run(scene())


def test_a_cancelled_request_does_not_hand_its_answer_to_the_next(model: Path, some_images: Images) -> None:
    async def scene() -> None:
        async with started([node("a")], {"m/full": model}) as executor:
            running = asyncio.ensure_future(executor.run("a", "m/full", {"input": some_images(5000)[0]}))
            await asyncio.sleep(0.02)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            images, classes = some_images(3)
            ran = await executor.run("a", "m/full", {"input": images})
            np.testing.assert_array_equal(ran.outputs["logits"].argmax(axis=1), classes)
            assert executor.alive() == {"a": True}

    asyncio.run(scene())


def test_a_node_that_hangs_is_given_up(model: Path, some_images: Images) -> None:
    inputs = {"input": some_images(3)[0]}

    async def scene() -> None:
        async with started([node("a"), node("b")], {"m/full": model}) as executor:
            executor._nodes["a"].silence_limit_s = 0.2
            os.kill(executor.pids("a")[0], signal.SIGSTOP)
            async with asyncio.timeout(5):
                with pytest.raises(NodeLost, match="node a did not answer"):
                    await executor.run("a", "m/full", inputs)
            assert executor.alive() == {"a": False, "b": True}
            assert (await executor.run("b", "m/full", inputs)).cpu_s > 0

    asyncio.run(scene())


def test_asking_a_hung_node_for_its_clocks_ends(model: Path, some_images: Images) -> None:
    inputs = {"input": some_images(3)[0]}

    async def scene() -> None:
        async with started([node("a")], {"m/full": model}) as executor:
            await executor.run("a", "m/full", inputs)
            executor._nodes["a"].silence_limit_s = 0.2
            os.kill(executor.pids("a")[0], signal.SIGSTOP)
            async with asyncio.timeout(5):
                usage = await executor.usage("a")
            assert usage.attributed_s > 0  # what it had answered before still counts
            assert executor.alive() == {"a": False}

    asyncio.run(scene())


def test_a_model_that_does_not_load_stops_everything(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.read_bytes()[:200])

    async def scene() -> None:
        with pytest.raises(ModelError, match=r"broken\.onnx"):
            async with started([node("a"), node("b"), node("c")], {"m/full": model, "m/bad": broken}):
                pytest.fail("it started")

    asyncio.run(scene())


def test_a_memory_cap_that_kills_names_the_key(model: Path) -> None:
    try:
        caps.find("cgroup-v1")
    except ConfigError as fault:
        pytest.skip(str(fault))

    async def scene() -> None:
        with pytest.raises(ConfigError, match=r"nodes\.small\.memory: .*8 MiB") as caught:
            async with started([node("small", memory_bytes=8 * 2**20)], {"m/full": model}, "cgroup-v1"):
                pytest.fail("it started")
        assert caught.value.key == "nodes.small.memory"

    asyncio.run(scene())


def test_closing_may_be_done_twice(model: Path) -> None:
    async def scene() -> None:
        executor = await ProcessExecutor.start(
            [node("a"), node("b")], {n: {"m/full": str(model)} for n in "ab"}, caps.find("virtual")
        )
        await executor.close()
        await executor.close()
        assert executor.alive() == {"a": False, "b": False}

    asyncio.run(scene())


def test_a_virtual_share_slows_and_says_so(model: Path, some_images: Images) -> None:
    inputs = {"input": some_images(1500)[0]}

    async def scene() -> None:
        async with started([node("half", share=0.5)], {"m/full": model}, "virtual") as executor:
            assert executor.caps == "virtual"
            runs = [await executor.run("half", "m/full", inputs) for _ in range(8)]
        took_s, cpu_s = sum(r.end_s - r.start_s for r in runs), sum(r.cpu_s for r in runs)
        assert took_s / cpu_s > 1.9  # more, where others have the CPU

    asyncio.run(scene())


@pytest.mark.parametrize("slots", [1, 2])
def test_a_running_node_loads_and_drops_models(
    model: Path, tmp_path: Path, some_images: Images, slots: int
) -> None:
    inputs = {"input": some_images(4)[0]}
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(model.read_bytes()[:200])

    async def scene() -> None:
        async with started([node("a", slots=slots)], {"m/full": model}) as executor:
            await executor.load("a", "piece", str(model))
            assert executor.inputs("a", "piece") == {"input": ((None, 1, 8, 8), "float32")}
            both = await asyncio.gather(*(executor.run("a", "piece", inputs) for _ in range(2 * slots)))
            whole = await executor.run("a", "m/full", inputs)
            for ran in both:
                np.testing.assert_array_equal(ran.outputs["logits"], whole.outputs["logits"])
            with pytest.raises(ModelError, match=r"broken\.onnx"):
                await executor.load("a", "other", str(broken))
            await executor.drop("a", "piece")
            await executor.drop("a", "piece")
            for gone in ("piece", "other"):
                for _ in range(slots):
                    with pytest.raises(Rejected, match=gone):
                        await executor.run("a", gone, inputs)
            assert (await executor.run("a", "m/full", inputs)).cpu_s > 0
            os.kill(executor.pids("a")[0], signal.SIGKILL)
            if slots == 1:
                with pytest.raises(NodeLost, match="node a died"):
                    await executor.load("a", "piece", str(model))

    asyncio.run(scene())


def test_loading_past_the_memory_cap_names_the_key(
    model: Path, tmp_path: Path, save_tiny: Callable[..., Path]
) -> None:
    try:
        caps.find("cgroup-v1")
    except ConfigError as fault:
        pytest.skip(str(fault))
    big = save_tiny(tmp_path / "big.onnx", channels=1800)

    async def scene() -> None:
        async with started([node("small", memory_bytes=90 * 2**20)], {"m/full": model}, "cgroup-v1") as nodes:
            with pytest.raises(ConfigError, match=r"nodes\.small\.memory: .*90 MiB") as caught:
                await nodes.load("small", "big", str(big))
            assert caught.value.key == "nodes.small.memory"
            assert nodes.alive() == {"small": False}

    asyncio.run(scene())
