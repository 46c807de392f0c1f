"""Nodes inside this process."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from runtime_kit import node

from gramwise.core.errors import ModelError, Rejected
from gramwise.core.machines import Node
from gramwise.core.protocols import Ran
from gramwise.runtime.embed import finish
from gramwise.runtime.inprocess import InlineExecutor, InProcessExecutor
from gramwise.runtime.session import Session

Images = Callable[[int], tuple[npt.NDArray[Any], npt.NDArray[Any]]]


def executor(
    model: Path, *nodes: Node, kind: type[InProcessExecutor] = InProcessExecutor
) -> InProcessExecutor:
    return kind(nodes, {n.name: {"m/full": str(model)} for n in nodes})


def test_it_passes_the_conformance_kit(model: Path, some_images: Images) -> None:
    from gramwise.testing import check_executor

    async def check() -> None:
        nodes = executor(model, node("a"), node("b", slots=2, share=0.5))
        for name in ("a", "b"):
            await check_executor(nodes, name, "m/full", {"input": some_images(32)[0]})
        assert nodes.alive() == {"a": True, "b": True}
        assert nodes.inputs("a", "m/full") == {"input": ((None, 1, 8, 8), "float32")}
        await nodes.close()

    asyncio.run(check())


def test_answers_are_those_of_a_session(model: Path, some_images: Images) -> None:
    inputs = {"input": some_images(16)[0]}
    expected, _ = Session(str(model)).run(inputs)
    for kind in (InProcessExecutor, InlineExecutor):
        ran = asyncio.run(executor(model, node("a"), kind=kind).run("a", "m/full", inputs))
        np.testing.assert_array_equal(ran.outputs["logits"], expected["logits"])


def test_inline_runs_in_the_calling_thread_and_keeps_the_slots(model: Path, some_images: Images) -> None:
    nodes = executor(model, node("half", share=0.5), kind=InlineExecutor)
    inputs = {"input": some_images(1500)[0]}
    before_s = time.thread_time()
    alone = finish(nodes.run("half", "m/full", inputs))
    assert time.thread_time() - before_s >= alone.cpu_s
    ran: list[Ran] = []
    threads = [
        threading.Thread(target=lambda: ran.append(finish(nodes.run("half", "m/full", inputs))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ran.sort(key=lambda r: r.start_s)
    assert len(ran) == 4
    assert all(a.end_s <= b.start_s + 1e-3 for a, b in itertools.pairwise(ran))  # one slot: one at a time
    total_s = sum(r.cpu_s for r in (alone, *ran))
    assert finish(nodes.usage("half")).attributed_s == pytest.approx(total_s)


def test_a_share_stretches_the_time_and_not_the_work(model: Path, some_images: Images) -> None:
    nodes = executor(model, node("quarter", share=0.25))
    inputs = {"input": some_images(1500)[0]}
    runs = [asyncio.run(nodes.run("quarter", "m/full", inputs)) for _ in range(4)]
    took_s, cpu_s = sum(r.end_s - r.start_s for r in runs), sum(r.cpu_s for r in runs)
    assert took_s / cpu_s > 3.8  # more, where others have the CPU
    usage = asyncio.run(nodes.usage("quarter"))
    assert usage.attributed_s == pytest.approx(cpu_s)
    assert usage.metered_s is None  # the process belongs to somebody else: unknown, not 0


def test_what_it_does_not_hold_is_rejected(model: Path, some_images: Images) -> None:
    nodes = executor(model, node("a"))
    with pytest.raises(Rejected, match="a holds no m/int8"):
        asyncio.run(nodes.run("a", "m/int8", {"input": some_images(1)[0]}))
    with pytest.raises(Rejected, match="refused its inputs"):
        asyncio.run(nodes.run("a", "m/full", {"input": np.zeros((1, 2), np.float32)}))


def test_a_broken_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"bad\.onnx"):
        executor(tmp_path / "bad.onnx", node("a"))
