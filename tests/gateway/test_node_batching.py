"""Slots and batches: same answers together as alone, energy divided, deadlines kept, queues bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from gramwise.gateway.node.batching import GONE, Pace, Slots
from gramwise.gateway.node.model import Model
from gramwise.gateway.node.room import ALIGNMENT_BYTES, Room, place
from gramwise.gateway.node.runs import Done
from gramwise.gateway.oip.errors import BadRequest

Array = npt.NDArray[Any]
SLOW = 0.005
"""A virtual share that makes a run of the tiny network last some tens of milliseconds."""


@pytest.fixture
def tiny(model: Path) -> Model:
    """The tiny network, loaded."""
    return Model("tiny", "1", model)


@contextmanager
def slots(count: int = 1, **settings: Any) -> Iterator[Slots]:
    made = Slots(count, **settings)
    try:
        yield made
    finally:
        made.close()


def ask(at: Slots, model: Model, image: Array, deadline_s: float | None = None) -> asyncio.Task[Done]:
    return asyncio.create_task(at.run(model, {"input": image}, ("logits",), deadline_s))


async def queued(at: Slots, count: int) -> None:
    """Wait until so many requests wait."""
    while at.queued < count:
        await asyncio.sleep(0)


def test_what_waits_behind_a_busy_slot_runs_together_and_answers_as_alone(
    tiny: Model, some_images: Any
) -> None:
    images, _ = some_images(7)
    alone = tiny.run({"input": images}, ("logits",)).outputs[0]

    async def go() -> tuple[list[Done], float]:
        with slots(virtual_share=SLOW) as at:
            first = ask(at, tiny, images[:1])
            await asyncio.sleep(0)
            rest = [ask(at, tiny, images[a:b]) for a, b in ((1, 2), (2, 4), (4, 7))]
            return [await first, *await asyncio.gather(*rest)], at.attributed_s

    (first, *rest), attributed_s = asyncio.run(go())
    assert [done.items for done in (first, *rest)] == [1, 6, 6, 6]
    np.testing.assert_allclose(
        np.concatenate([done.outputs[0] for done in (first, *rest)]), alone, rtol=1e-5, atol=1e-6
    )
    together_s = sum(done.cpu_s for done in rest)
    assert [done.cpu_s / together_s for done in rest] == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert attributed_s == pytest.approx(first.cpu_s + together_s)


def test_a_batch_is_bounded(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> list[Done]:
        with slots(virtual_share=SLOW, most_batch=2) as at:
            return await asyncio.gather(*[ask(at, tiny, images) for _ in range(6)])

    assert sorted(done.items for done in asyncio.run(go())) == [1, 1, 2, 2, 2, 2]


def test_a_full_batch_waits_no_longer(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> list[Done]:
        with slots(most_batch=3, batch_wait_s=60.0) as at:
            return await asyncio.wait_for(asyncio.gather(*[ask(at, tiny, images) for _ in range(3)]), 30.0)

    assert [done.items for done in asyncio.run(go())] == [3, 3, 3]


def test_nobody_waits_for_others_past_a_deadline(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> list[Done]:
        with slots(batch_wait_s=600.0) as at:
            await at.run(tiny, {"input": images}, ("logits",), 60.0)  # from now on its pace is known
            patient = ask(at, tiny, images)
            hasty = ask(at, tiny, images, deadline_s=2.0)
            return await asyncio.wait_for(asyncio.gather(patient, hasty), 60.0)

    assert len(asyncio.run(go())) == 2  # answered, not refused, and long before the 600 s


def test_stopping_ends_the_waiting(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> Done:
        with slots(batch_wait_s=60.0) as at:
            waiting = ask(at, tiny, images)
            await queued(at, 1)
            at.hurry()
            return await asyncio.wait_for(waiting, 30.0)

    assert asyncio.run(go()).items == 1


def test_what_cannot_be_done_in_time_is_refused_at_once(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> tuple[float, BadRequest, int]:
        with slots(virtual_share=SLOW) as at:
            known = await at.run(tiny, {"input": images}, ("logits",), None)
            with pytest.raises(BadRequest) as refused:
                await at.run(tiny, {"input": images}, ("logits",), known.run_s / 1e3)
            return known.cpu_s, refused.value, at.queued

    _, refused, waiting = asyncio.run(go())
    assert refused.status == 503
    assert "deadline" in refused.sentence
    assert waiting == 0


def test_whose_turn_comes_too_late_is_refused_and_the_others_run(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> tuple[Any, ...]:
        with slots(
            virtual_share=SLOW
        ) as at:  # nothing has run, so nobody knows that the deadline is too short
            first = ask(at, tiny, images)
            late = ask(at, tiny, images, deadline_s=1e-3)
            last = ask(at, tiny, images)
            return await asyncio.gather(first, late, last, return_exceptions=True)

    first, late, last = asyncio.run(go())
    assert isinstance(late, BadRequest)
    assert late.status == 503
    assert isinstance(first, Done)
    assert isinstance(last, Done)


def test_the_queue_is_bounded(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> tuple[BadRequest, list[Done]]:
        with slots(virtual_share=SLOW, most_queued=2) as at:
            tasks = [ask(at, tiny, images) for _ in range(3)]
            await queued(at, 2)
            with pytest.raises(BadRequest) as refused:
                await at.run(tiny, {"input": images}, ("logits",), None)
            return refused.value, await asyncio.gather(*tasks)

    refused, done = asyncio.run(go())
    assert refused.status == 429
    assert refused.retry_after_s is not None
    assert refused.retry_after_s >= 1.0
    assert len(done) == 3


def test_who_has_gone_is_not_run(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> tuple[Done, Done]:
        with slots(virtual_share=SLOW) as at:
            first, gone, last = (ask(at, tiny, images) for _ in range(3))
            await queued(at, 2)
            gone.cancel()
            return await first, await last

    _, last = asyncio.run(go())
    assert last.items == 1


def test_a_bad_member_takes_nobody_along(tmp_path: Path) -> None:
    table = numpy_helper.from_array(np.arange(10, dtype=np.float32), "table")
    index = helper.make_tensor_value_info("index", TensorProto.INT64, ["n"])
    value = helper.make_tensor_value_info("value", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["value"])], "g", [index], [value], [table]
    )
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10),
        tmp_path / "g.onnx",
    )
    model = Model("gather", "1", tmp_path / "g.onnx")

    async def go() -> list[Any]:
        with slots(most_batch=4, batch_wait_s=60.0) as at:
            tasks = [
                asyncio.create_task(at.run(model, {"index": np.array([i])}, ("value",), None))
                for i in (3, 99, 5, 7)
            ]
            return await asyncio.gather(*tasks, return_exceptions=True)

    three, bad, five, seven = asyncio.run(go())
    assert [float(done.outputs[0][0]) for done in (three, five, seven)] == [3.0, 5.0, 7.0]
    assert isinstance(bad, BadRequest)
    assert bad.status == 400


def test_a_fixed_first_dimension_never_shares_a_run(tmp_path: Path, save_tiny: Any, some_images: Any) -> None:
    fixed = Model("fixed", "1", save_tiny(tmp_path / "fixed.onnx", batch=1))
    images, _ = some_images(1)

    async def go() -> list[Done]:
        with slots(virtual_share=SLOW) as at:
            return await asyncio.gather(*[ask(at, fixed, images) for _ in range(4)])

    assert [done.items for done in asyncio.run(go())] == [1, 1, 1, 1]


def test_two_slots_run_at_a_time(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> int:
        with slots(2, virtual_share=2 * SLOW) as at:
            tasks = [ask(at, tiny, images) for _ in range(3)]
            await queued(at, 1)
            running = at.running
            await asyncio.gather(*tasks)
            return running

    assert asyncio.run(go()) == 2


@pytest.mark.parametrize(("elements", "on_loop"), [(4096, True), (4097, False)])
def test_small_replies_are_written_on_the_loop_and_large_ones_beside_it(
    tmp_path: Path, elements: int, on_loop: bool
) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [elements]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "neg", ends[:1], ends[1:])
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
        tmp_path / "m.onnx",
    )
    model = Model("neg", "1", tmp_path / "m.onnx")

    async def go() -> Done:
        with slots() as at:
            image = np.ones(elements, np.float32)
            return await at.run(model, {"x": image}, ("y",), None, lambda _: threading.current_thread())

    assert (asyncio.run(go()).reply is threading.main_thread()) == on_loop


def test_a_pace_is_that_of_the_last_runs_and_grows_old() -> None:
    pace = Pace()
    assert (pace.fastest_s(1, 0.0), pace.slowest_s(1, 0.0)) == (0.0, None)
    pace.learn(0.4, 2, now_s=10.0)
    pace.learn(0.1, 1, now_s=10.0)
    assert pace.fastest_s(3, 11.0) == pytest.approx(0.3)
    assert pace.slowest_s(3, 11.0) == pytest.approx(0.6)
    assert pace.fastest_s(3, 100.0) == 0.0
    for _ in range(100):
        pace.learn(1.0, 1, now_s=200.0)
    assert pace.fastest_s(1, 200.0) == pytest.approx(1.0)


def test_what_nobody_waits_for_is_not_run(tiny: Model, some_images: Any) -> None:
    images, _ = some_images(1)

    async def go() -> tuple[Any, float, float]:
        with slots(virtual_share=SLOW) as at:
            first = ask(at, tiny, images)
            await asyncio.sleep(0)
            left = at.run(tiny, {"input": images}, ("logits",), None, gone=lambda: True)
            (gone,) = await asyncio.gather(left, return_exceptions=True)
            return gone, (await first).cpu_s, at.attributed_s

    gone, cpu_s, attributed_s = asyncio.run(go())
    assert isinstance(gone, BadRequest)
    assert gone.status == GONE
    assert attributed_s == pytest.approx(cpu_s)


def test_a_place_has_its_tensors_aligned() -> None:
    for head_bytes in range(40):
        body = place(100, head_bytes)
        assert len(body) == 100
        assert np.frombuffer(body[head_bytes:], np.uint8).ctypes.data % ALIGNMENT_BYTES == 0


def test_the_bytes_of_all_requests_are_bounded_and_given_back() -> None:
    room = Room(100)
    with room.held() as one:
        one.add(60)
        with pytest.raises(BadRequest) as refused, room.held() as other:
            other.add(41)
        assert refused.value.status == 429
        with room.held() as other:
            other.add(40)
    with room.held() as one:
        one.add(100)
