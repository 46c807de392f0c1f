"""gramwise inside another program: synchronous, asynchronous, from several threads, in this process or in others."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gramwise
from gramwise.core.errors import ConfigError, Infeasible, ModelError, NodeLost, Rejected
from gramwise.runtime.processes import ProcessExecutor

Images = Callable[[int], tuple[npt.NDArray[Any], npt.NDArray[Any]]]
Write = Callable[..., Path]

pytestmark = pytest.mark.usefixtures("nothing_left")


def answers(answer: gramwise.Answer) -> list[int]:
    return [int(k) for k in answer.outputs["logits"].argmax(axis=1)]


@pytest.mark.parametrize("executor", ["in-process", "processes"])
def test_it_serves_where_the_grams_are_fewest(
    write_scenario: Write, some_images: Images, executor: Any
) -> None:
    images, classes = some_images(40)
    with gramwise.open(write_scenario(), executor=executor) as fleet:
        answer = fleet.infer("tiny", {"input": images})
        assert answers(answer) == classes.tolist()
        assert answer.outcome.node == "clean"
        assert answer.outcome.variant == "full"
        assert answer.outcome.count == 40
        price = fleet.fleet.price.energy_j("clean", answer.outcome.cpu_s)
        assert answer.outcome.cost.energy_j == price
        assert answer.outcome.cost.carbon_g > 0
        chosen = [v for v in answer.decision.verdicts if v.chosen]
        assert [(v.node, v.variant) for v in chosen] == [("clean", "full")]
        cheap = fleet.infer("tiny", {"input": images}, accuracy_floor_frac=0.2)
        assert cheap.outcome.variant == "blind"
        assert answers(cheap) == [0] * 40
        near = fleet.infer("tiny", {"input": images}, allowed_zones=["DE", "NL"])
        assert near.outcome.node in ("dirty", "middle")
        with pytest.raises(ConfigError, match=r"tiny\.toml: models: .*'tony'.*Did you mean 'tiny'"):
            fleet.infer("tony", {"input": images})
        with pytest.raises(Infeasible, match=r"accuracy 90\.00%, below the floor of 95\.00%") as caught:
            fleet.infer("tiny", {"input": images}, accuracy_floor_frac=0.95)
        assert len(caught.value.verdicts) == 6
        with pytest.raises(Rejected):
            fleet.infer("tiny", {"input": np.zeros((2, 3), np.float32)})
        assert answers(fleet.infer("tiny", {"input": images})) == classes.tolist()
        assert fleet.infer("tiny", {"input": images}, deadline_s=1e-9).outcome.fallback


@pytest.mark.parametrize("executor", ["in-process", "processes"])
def test_several_threads_get_their_own_answers(
    write_scenario: Write, some_images: Images, executor: Any
) -> None:
    images, classes = some_images(64)

    def ask(i: int) -> tuple[list[int], gramwise.Outcome]:
        answer = fleet.infer("tiny", {"input": images[i : i + 8]})
        return answers(answer), answer.outcome

    with gramwise.open(
        write_scenario("cpu_share = 0.8", "cpu_share = 0.8\nslots = 2"), executor=executor
    ) as fleet:
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(ask, [i % 56 for i in range(240)]))
        world = fleet._async.engine.world
        snapshot = world.snapshot(fleet.fleet.clock.now_s())
    assert all(got == classes[i % 56 : i % 56 + 8].tolist() for i, (got, _) in enumerate(found))
    assert len({outcome.request for _, outcome in found}) == 240
    assert snapshot.queued.tolist() == [0, 0, 0]
    assert snapshot.assigned.sum() == 240


def test_the_asynchronous_twin(write_scenario: Write, some_images: Images) -> None:
    images, classes = some_images(20)

    async def ask(executor: Any, policy: str) -> list[gramwise.Answer]:
        async with gramwise.aopen(write_scenario(), executor=executor, policy=policy) as fleet:
            work = (fleet.infer("tiny", {"input": images}) for _ in range(9))
            return list(await asyncio.gather(*work))

    for executor in ("in-process", "processes"):
        found = asyncio.run(ask(executor, "round-robin"))
        assert all(answers(answer) == classes.tolist() for answer in found)
        assert sorted({answer.outcome.node for answer in found}) == ["clean", "dirty", "middle"]


def test_awaited_it_is_closed_by_hand_and_once_more_does_no_harm(write_scenario: Write) -> None:
    async def both() -> None:
        fleet = await gramwise.aopen(write_scenario(), executor="in-process")
        async with fleet:
            pass
        await fleet.close()

    asyncio.run(both())
    again = gramwise.open(write_scenario(), executor="processes")
    again.close()
    again.close()


def test_a_killed_node_is_replaced_by_another_until_none_is_left(
    write_scenario: Write, some_images: Images
) -> None:
    images = some_images(8)[0]
    with gramwise.open(write_scenario(), executor="processes") as fleet:
        nodes = fleet.fleet.executor
        assert isinstance(nodes, ProcessExecutor)
        for victim, heir in (("clean", True), ("middle", True), ("dirty", False)):
            before = fleet.infer("tiny", {"input": images}).outcome
            assert before.attempts == 1
            os.kill(nodes.pids(before.node)[0], signal.SIGKILL)
            assert victim
            if heir:
                after = fleet.infer("tiny", {"input": images}).outcome
                assert after.node != before.node
                assert after.attempts == 2
            else:
                with pytest.raises(NodeLost, match="every node that was tried died"):
                    fleet.infer("tiny", {"input": images})
                with pytest.raises(Infeasible, match="is lost"):
                    fleet.infer("tiny", {"input": images})


def test_faults_at_the_start_leave_nothing_running(write_scenario: Write) -> None:
    scenario = write_scenario()
    (scenario.parent / "blind.onnx").unlink()
    (scenario.parent / "blind.onnx").write_bytes(b"not a model")
    for executor in ("in-process", "processes"):
        with pytest.raises(
            ModelError, match=r"tiny\.toml: models\.tiny\.variants\.blind\.file: .*blind\.onnx"
        ):
            gramwise.open(scenario, executor=executor)


@pytest.mark.parametrize("executor", ["in-process", "processes"])
def test_an_unknown_policy_leaves_nothing_running(write_scenario: Write, executor: Any) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'grams'"):
        gramwise.open(write_scenario(), policy="gram", executor=executor)
