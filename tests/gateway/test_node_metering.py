"""A node beside a powercap tree on disk: prices from the counter, and back to the model when it fails."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httptools", reason="the node needs the serve extra")
pytest.importorskip("prometheus_client", reason="the node needs the serve extra")

from node_rig import RunningNode, images, put

from gramwise.core.plugins import create
from gramwise.core.protocols import Reading
from gramwise.core.quantity import Quantity
from gramwise.gateway.node.metering import LONGEST_S, STILL_S, Look, Metering, open_meter
from gramwise.gateway.node.settings import Settings
from gramwise.gateway.node.tariff import CPU_TIME, Tariff
from gramwise.power.clocks import process_cpu_s

IDLE_W, J_PER_CPU_S = 4.0, 6.0
RANGE_UJ = 65_712_999_613
TICKS_PER_S = 100


class Machine:
    """Files as the kernel shows them, of a machine that takes `IDLE_W` and `J_PER_CPU_S`; the counter soon ends."""

    def __init__(self, folder: Path) -> None:
        self.powercap, self.stat = folder / "powercap", folder / "stat"
        self.zone = self.powercap / "intel-rapl:0"
        self.zone.mkdir(parents=True)
        (self.zone / "name").write_text("package-0\n")
        (self.zone / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        self.wall_s = self.busy_s = 0.0
        self.show()

    def show(self) -> None:
        """Write what has been."""
        energy_uj = RANGE_UJ - 30_000_000 + int((IDLE_W * self.wall_s + J_PER_CPU_S * self.busy_s) * 1e6)
        self._put(self.zone / "energy_uj", f"{energy_uj % RANGE_UJ}\n")
        self._put(self.stat, f"cpu  {round(self.busy_s * TICKS_PER_S)} 0 0 12345 0 0 0 0 0 0\n")

    def _put(self, file: Path, text: str) -> None:
        new = file.with_suffix(".new")
        new.write_text(text)
        new.replace(file)  # a reader sees the old number or the new one, never half of it


@dataclass
class Rig:
    """A metering on clocks that the test moves."""

    machine: Machine
    tariff: Tariff
    metering: Metering
    own_s: float = 0.0
    slept_s: float = 0.0
    settled: int = 0

    def second(self, own_s: float, other_s: float = 0.0, wall_s: float = 1.0) -> None:
        """Time passes, this process and others work, and the node looks."""
        self.own_s += own_s
        self.machine.wall_s += wall_s
        self.machine.busy_s += own_s + other_s
        self.machine.show()
        self.metering.learn(self.metering.look())

    def minute(self, other_s: float = 0.0) -> None:
        """A quiet second and a busy one in turn."""
        for n in range(30):
            self.second(0.5 * (n % 2), other_s * (n % 2))


@pytest.fixture(params=["with a device", "without one"])
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Rig:
    price = Quantity(
        value=2.0,
        low=1.0,
        high=3.0,
        unit="J",
        method="assumed",
        boundary="board",
        source="chosen for the test",
    )
    tariff = Tariff(price, price, "box") if request.param == "with a device" else Tariff()
    machine = Machine(tmp_path)
    rig: Rig

    def settle() -> None:
        rig.settled += 1

    metering = Metering(
        create("meter", "rapl", machine.powercap),
        tariff,
        settle,
        stat=machine.stat,
        own_cpu_s=lambda: rig.own_s,
        now_s=lambda: machine.wall_s,
        slept_s=lambda: rig.slept_s,
    )
    rig = Rig(machine, tariff, metering)
    metering.learn(metering.look())
    return rig


def test_a_request_is_priced_by_the_counter_across_its_wrap(rig: Rig) -> None:
    rig.second(0.3)
    assert rig.tariff.source == CPU_TIME, "one window makes no price"
    rig.minute()
    told = rig.tariff.told(0.01)
    assert told["energy_joules"] == pytest.approx(0.01 * J_PER_CPU_S)
    assert told["energy_joules_low"] == pytest.approx(0.009 * J_PER_CPU_S)
    assert told["energy_joules_high"] == pytest.approx(0.011 * J_PER_CPU_S)
    assert (told["energy_method"], told["energy_boundary"]) == ("measured", "chip")
    assert rig.tariff.idle_w is not None
    assert rig.tariff.idle_w.value == pytest.approx(IDLE_W)
    assert (rig.tariff.source, rig.metering.state, rig.metering.why) == ("rapl", "metered", "")
    assert int((rig.machine.zone / "energy_uj").read_text()) < RANGE_UJ / 2, "the counter has gone round"
    assert rig.metering.energy_j == pytest.approx(IDLE_W * 31 + J_PER_CPU_S * rig.own_s, rel=1e-6)


def test_a_price_that_is_mostly_of_others_is_modelled(rig: Rig) -> None:
    rig.minute(other_s=1.5)
    told = rig.tariff.told(1.0)
    assert told["energy_method"] == "modelled"
    assert told["energy_joules"] == pytest.approx(J_PER_CPU_S)
    assert rig.metering.known is not None
    assert rig.metering.known.own_frac == pytest.approx(0.25)
    low, high = told["energy_joules_low"], told["energy_joules_high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low < 0.85 * J_PER_CPU_S
    assert high > 1.15 * J_PER_CPU_S


def test_the_last_price_stays_while_nothing_runs(rig: Rig) -> None:
    rig.minute()
    for _ in range(400):
        rig.second(0.0)
    assert rig.tariff.told(1.0)["energy_joules"] == pytest.approx(J_PER_CPU_S)


def unreadable(machine: Machine) -> None:
    (machine.zone / "energy_uj").unlink()


def nonsense(machine: Machine) -> None:
    (machine.zone / "energy_uj").write_text("\n")


def uncounted(machine: Machine) -> None:
    machine.stat.unlink()


def gone(machine: Machine) -> None:
    shutil.rmtree(machine.zone)


@pytest.mark.parametrize("fail", [unreadable, nonsense, uncounted, gone])
def test_a_meter_that_fails_leaves_what_is_known_without_it(
    rig: Rig, fail: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = (rig.tariff.j_per_cpu_s, rig.tariff.idle_w)
    rig.minute()
    assert rig.tariff.j_per_cpu_s != before[0]
    fail(rig.machine)
    settled = rig.settled
    with caplog.at_level(logging.WARNING):
        rig.metering.learn(rig.metering.look())
    assert (rig.tariff.j_per_cpu_s, rig.tariff.idle_w, rig.tariff.source) == (*before, CPU_TIME)
    assert rig.metering.state == "stopped"
    assert rig.metering.why
    assert rig.settled == settled + 1, "what was spent before is settled at the price of before"
    (line,) = caplog.records
    assert ("is modelled" if before[0] else "is unknown") in line.getMessage()


class Broken:
    """A meter of somebody else's that works for a while and then fails as nobody foresaw."""

    name, boundary, method = "broken", "chip", "measured"

    def __init__(self, then: Any) -> None:
        self._then, self.reads = then, 0

    def read(self) -> Any:
        self.reads += 1
        if isinstance(self._then, Exception):
            raise self._then
        return self._then

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (KeyError("package-0"), "KeyError"),
        (None, "AttributeError"),
        (Reading(at_s=0.0, joules={"cpu": math.nan}), "nan"),
    ],
    ids=["raises", "answers nothing", "counts no number"],
)
def test_a_meter_that_fails_in_any_way_ends_the_metering_once(
    rig: Rig, then: Any, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = (rig.tariff.j_per_cpu_s, rig.tariff.idle_w)
    rig.minute()
    rig.metering.meter = meter = Broken(then)  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING):
        asyncio.run(asyncio.wait_for(rig.metering.run(), 20.0))
    assert meter.reads == 1
    assert (rig.tariff.j_per_cpu_s, rig.tariff.idle_w, rig.tariff.source) == (*before, CPU_TIME)
    assert (rig.metering.state, said in rig.metering.why) == ("stopped", True)
    assert len(caplog.records) == 1


def test_a_power_at_rest_that_the_windows_do_not_tell_is_unknown_and_not_the_devices(rig: Rig) -> None:
    energy_j = busy_s = 0.0
    for n in range(1, 31):
        load = 0.5 + 0.02 * n
        energy_j, busy_s = energy_j + 9.0 * load**2, busy_s + load  # its line is at 0 W before it is at rest
        rig.metering.learn(Look(float(n), energy_j, busy_s, busy_s, 0.0))
    assert rig.metering.state == "metered"
    assert rig.tariff.told(1.0)["energy_boundary"] == "chip"
    assert rig.tariff.idle_w is None, "0 W would be wrong, and the device's figure is of another boundary"


def test_a_counter_that_stands_still_counts_no_more(rig: Rig) -> None:
    rig.minute()
    for n in range(int(STILL_S)):
        assert rig.metering.state == "metered", n
        rig.machine.wall_s += 1.0
        rig.metering.learn(rig.metering.look())
    assert rig.metering.state == "stopped"
    assert "stood still" in rig.metering.why


def test_a_counter_that_moves_more_slowly_than_we_look_is_read_over_longer_windows(rig: Rig) -> None:
    for n in range(60):
        for _ in range(4):
            rig.machine.wall_s += 1.0  # the counter has not moved yet
            rig.metering.learn(rig.metering.look())
        rig.second(2.0 * (n % 2))
    assert rig.tariff.told(1.0)["energy_joules"] == pytest.approx(J_PER_CPU_S)
    assert rig.tariff.idle_w is not None
    assert rig.tariff.idle_w.value == pytest.approx(IDLE_W)


@pytest.mark.parametrize("slept", [True, False], ids=["slept", "was stopped"])
def test_a_window_in_which_a_reset_or_a_second_wrap_could_hide_is_left_out(rig: Rig, slept: bool) -> None:
    rig.minute()
    counted_j = rig.metering.energy_j
    (rig.machine.zone / "energy_uj").write_text(
        "0\n"
    )  # as after sleep; it reads as a wrap of many kilojoules
    rig.machine.wall_s += 2.0 if slept else LONGEST_S + 1.0
    rig.slept_s += 3600.0 * slept
    rig.metering.learn(rig.metering.look())
    assert rig.metering.energy_j == counted_j
    assert rig.tariff.told(1.0)["energy_joules"] == pytest.approx(J_PER_CPU_S)


def test_a_process_that_stands_for_another_node_has_no_meter(tmp_path: Path) -> None:
    powercap = Machine(tmp_path).powercap
    here = Settings.of(repository=tmp_path, powercap=powercap)
    assert getattr(open_meter(here), "name", None) == "rapl"
    assert open_meter(here.model_copy(update={"as_node": "oslo"})) is None
    assert open_meter(Settings.of(repository=tmp_path, powercap=tmp_path / "nowhere")) is None


@contextmanager
def following(machine: Machine, pid: int) -> Iterator[None]:
    """The machine's counters follow the CPU seconds of a real process."""
    stop, start_s, before_s = threading.Event(), time.monotonic(), process_cpu_s(pid)
    assert before_s is not None

    def follow() -> None:
        while not stop.wait(0.01):
            machine.busy_s = (process_cpu_s(pid) or 0.0) - before_s
            machine.wall_s = time.monotonic() - start_s
            machine.show()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_real_node_measures_tells_and_goes_back_to_its_model(tmp_path: Path, save_tiny: Any) -> None:
    machine = Machine(tmp_path)
    put(tmp_path / "models", "tiny", 1, save_tiny(tmp_path / "tiny.onnx"))
    settings = {"powercap": str(machine.powercap), "stat": str(machine.stat), "device": "n100", "name": "n"}
    with RunningNode(tmp_path / "models", tmp_path / "log", **settings) as node:
        with following(machine, node.process.pid):

            def infer() -> dict[str, Any]:
                reply = node.infer("tiny", {"input": images(256)})
                size = int(reply.headers["inference-header-content-length"])
                parameters: dict[str, Any] = json.loads(reply.body[:size])["parameters"]
                return parameters

            first = infer()
            assert first["energy_method"] in ("modelled", "assumed")
            assert first["energy_boundary"] == "wall", "of the catalogue's figures for this device"
            until_s = time.monotonic() + 120.0
            told = first
            while told["energy_method"] != "measured":
                assert time.monotonic() < until_s, (node.get("/v2/gramwise/usage").json, node.log())
                end_s = time.monotonic() + 0.4
                while time.monotonic() < end_s:
                    told = infer()
                time.sleep(1.6)
            price = told["energy_joules"] / told["gramwise_cpu_seconds"]
            assert price == pytest.approx(J_PER_CPU_S, rel=0.25)
            assert told["energy_boundary"] == "chip"
            usage = node.get("/v2/gramwise/usage").json
            assert (usage["meter"]["name"], usage["meter"]["state"]) == ("rapl", "metered")
            assert usage["idle_w"] == pytest.approx(IDLE_W, abs=1.0)
            text = node.get("/metrics").body.decode()
            assert 'gramwise_meter_info{component="cpu",device="n100",node="n",source="rapl"} 1.0' in text
            assert 'source="rapl"' in text.partition("\ngramwise_meter_age_seconds")[2].partition("\n")[0]
            measured = (
                'gramwise_node_energy_joules_total{component="cpu",method="measured",node="n",source="rapl"}'
            )
            assert measured in text
        shutil.rmtree(machine.zone)
        while (usage := node.get("/v2/gramwise/usage").json)["meter"]["state"] != "stopped":
            assert time.monotonic() < until_s, usage
            time.sleep(0.1)
        assert "intel-rapl" in usage["meter"]["why"]
        assert infer()["energy_method"] == first["energy_method"]
        assert 'source="cpu-time"' in node.get("/metrics").body.decode()
        assert node.log().count("no longer metered") == 1
