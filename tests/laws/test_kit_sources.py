"""The checks for meters, intensity sources and executors: sound ones pass, broken ones are told what is wanted."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gramwise.core.errors import ConfigError, DataGap
from gramwise.core.protocols import Held, NodeUsage, Ran, Reading
from gramwise.core.series import Series
from gramwise.grid.sources.annual import Annual
from gramwise.testing import check_executor, check_intensity, check_meter


class CpuMeter:
    """Ten watts for every CPU second of this process."""

    name, method, boundary = "cpu", "modelled", "chip"

    def read(self) -> Reading:
        return Reading(at_s=time.time(), joules={"process": 10.0 * time.process_time()})


class Changed(CpuMeter):
    """The same meter with its readings, counted from 0, put through a function."""

    def __init__(self, change: Callable[[int, Reading], Reading]) -> None:
        self.change, self.reads = change, -1

    def read(self) -> Reading:
        self.reads += 1
        return self.change(self.reads, super().read())


def test_a_sound_meter_passes() -> None:
    check_meter(CpuMeter())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda n, r: replace(r, joules={}), "at least one root domain"),
        (lambda n, r: replace(r, joules={"process": 5.0 - n}), "undo the wrap-around"),
        (lambda n, r: replace(r, joules={"process": math.nan}), "raises MeterError"),
        (lambda n, r: replace(r, joules={f"process-{n}": 1.0}), "domains changed"),
        (lambda n, r: replace(r, joules={"process": -1.0}), "count up from the opening"),
        (lambda n, r: replace(r, at_s=-float(n)), "at_s went back"),
    ],
)
def test_a_broken_meter_is_told(change: Callable[[int, Reading], Reading], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_meter(Changed(change), pause_s=0.001)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("method", "guessed", "method is one of"),
        ("boundary", "rack", "boundary is one of"),
        ("name", "", "a name"),
    ],
)
def test_a_meter_says_what_it_is(field: str, value: str, sentence: str) -> None:
    meter = CpuMeter()
    setattr(meter, field, value)
    with pytest.raises(AssertionError, match=sentence):
        check_meter(meter)  # type: ignore[arg-type]


def test_the_shipped_source_passes() -> None:
    check_intensity(Annual(), "FR")


class Steps:
    """One step that covers what was asked, put through a function."""

    def __init__(
        self, change: Callable[[Series], Series] = lambda s: s, known: tuple[str, ...] = ("FR",)
    ) -> None:
        self.change, self.known, self.asked = change, known, 0

    def history(self, zone: str, start_s: float, end_s: float) -> Series:
        if zone not in self.known:
            raise ConfigError(f"there is no zone {zone!r}.")
        self.asked += 1
        return self.change(
            Series(
                times_s=(start_s,),
                values=(50.0,),
                end_s=end_s,
                unit="g/kWh",
                signal="average",
                basis="lifecycle",
                source="a test",
            )
        )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: replace(s, times_s=(s.times_s[0] + 1,)), "begins after the start"),
        (lambda s: replace(s, end_s=s.end_s - 1), "ends before the end"),
        (lambda s: replace(s, unit="kg/MWh"), "unit is 'g/kWh'"),
        (lambda s: replace(s, values=(-1.0,)), "not negative"),
        (lambda s: replace(s, values=(math.inf,)), "finite"),
        (lambda s: replace(s, values=(math.nan,)), "raise DataGap instead"),
        (lambda s: replace(s, signal="marginally"), "signal is one of"),
        (lambda s: replace(s, basis="both"), "basis is one of"),
        (lambda s: replace(s, values=(float(np.random.default_rng().random()),)), "two answers"),
    ],
)
def test_a_broken_source_is_told(change: Callable[[Series], Series], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check_intensity(Steps(change), "FR")


def test_an_unknown_zone_never_gets_a_value() -> None:
    check_intensity(Steps(), "FR")
    with pytest.raises(AssertionError, match="unknown zone raises ConfigError"):
        check_intensity(Steps(known=("FR", "no-such-zone")), "FR")
    with pytest.raises(DataGap):
        check_intensity(Annual(), "FR", start_s=-1e10, end_s=-1e10 + 3600)


class Threads:
    """One node that multiplies matrices in a thread, with honest clocks."""

    def __init__(self, **broken: Any) -> None:
        self.broken, self.attributed_s, self.begun_s = broken, 0.0, time.process_time()

    def alive(self) -> Mapping[str, bool]:
        return {"a": bool(self.broken.get("alive", True))}

    def work(self, inputs: Mapping[str, np.ndarray]) -> Ran:
        start_s, cpu_s = time.time(), time.thread_time()
        value = inputs["x"]
        for _ in range(20):
            value = np.tanh(value @ inputs["x"])
        cpu_s = time.thread_time() - cpu_s
        self.attributed_s += cpu_s * self.broken.get("counts", 1.0)
        ran = Ran(outputs={"y": value}, start_s=start_s, end_s=time.time(), cpu_s=cpu_s)
        return replace(ran, **self.broken.get("ran", {}))

    async def run(
        self, node: str, variant: str, inputs: Mapping[str, np.ndarray], hold: Collection[str] = ()
    ) -> Ran:
        ran = await asyncio.to_thread(self.work, inputs)
        held = {
            name: Held(name=name, dtype=value.dtype.str, shape=value.shape, nbytes=value.nbytes, place=value)
            for name, value in ran.outputs.items()
            if name in hold
        }
        outputs = {name: value for name, value in ran.outputs.items() if name not in held}
        kept = {"outputs": outputs, "held": held, **(self.broken.get("kept", {}) if hold else {})}
        return replace(ran, **kept)

    def release(self, held: Iterable[Held]) -> None:
        return

    async def usage(self, node: str) -> NodeUsage:
        metered_s = (time.process_time() - self.begun_s) * self.broken.get("metered", 1.0)
        return NodeUsage(
            attributed_s=self.attributed_s,
            overhead_s=-time.process_time()
            if self.broken.get("backwards")
            else self.broken.get("overhead_s", 0.0),
            metered_s=None if self.broken.get("unmetered") else metered_s,
        )

    async def close(self) -> None:
        return


def check(**broken: Any) -> None:
    inputs = {"x": np.random.default_rng(0).standard_normal((150, 150))}
    asyncio.run(check_executor(Threads(**broken), "a", "m/fp32", inputs))


def test_a_sound_executor_passes_with_and_without_a_meter() -> None:
    check()
    check(unmetered=True, overhead_s=None)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({"alive": False}, "must list it as True"),
        ({"ran": {"outputs": {}}}, "at least one output"),
        ({"ran": {"outputs": {"y": [1.0]}}}, "is a list, not an array"),
        ({"ran": {"cpu_s": 0.0}}, "more than 0"),
        ({"ran": {"end_s": 0.0}}, "before it began"),
        ({"counts": 2.0}, "It is their sum"),
        ({"counts": 0.0}, "It is their sum"),
        ({"backwards": True}, "overhead_s went back"),
        ({"kept": {"held": {}}}, "every output that is asked to stay"),
        ({"kept": {"outputs": {"y": np.ones(1)}}}, "as a handle only"),
        (
            {"kept": {"held": {"y": Held(name="y", dtype="<f8", shape=(1,), nbytes=8, place=None)}}},
            "held tensor",
        ),
    ],
)
def test_a_broken_executor_is_told(broken: dict[str, Any], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        check(**broken)


def test_a_meter_that_misses_the_work_is_found_out() -> None:
    class Busy(Threads):
        def work(self, inputs: Mapping[str, np.ndarray]) -> Ran:
            end_s, cpu_s = time.thread_time() + 0.05, time.thread_time()
            while time.thread_time() < end_s:
                pass
            used_s = time.thread_time() - cpu_s
            self.attributed_s += used_s
            return Ran(outputs={"y": inputs["x"]}, start_s=0.0, end_s=1.0, cpu_s=used_s)

    with pytest.raises(AssertionError, match="The meter covers all of the node"):
        asyncio.run(check_executor(Busy(metered=0.5), "a", "m/fp32", {"x": np.ones(1)}))
