"""Measured runs end to end: real commands, real control groups, real kills; what is left behind and what it sums to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gramwise.core.errors import ConfigError, DataError, GramwiseError
from gramwise.core.phase import PhaseRun
from gramwise.core.plugins import create
from gramwise.core.protocols import Reading
from gramwise.core.quantity import Boundary, Method
from gramwise.footprint.bill import bill
from gramwise.footprint.phaselines import ledger_lines, left_out
from gramwise.power.clocks import own_cgroup
from gramwise.power.meters.rapl import Rapl
from gramwise.runtime.machinepower import part_load_factor
from gramwise.runtime.measure import measure, measure_command
from gramwise.runtime.phaseenergy import addable
from gramwise.runtime.phaseledger import read_ledger
from gramwise.runtime.phasemeasurement import PARENT
from gramwise.runtime.treeclock import group_clock

SOURCE = Path(__file__).parents[2] / "src"
WATTS: dict[str, Any] = {"idle_w": 4.0, "busy_w": 24.0, "cpus": 4}
BURN = "import time\nwhile time.process_time() < {}: pass\n"

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(PARENT, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def burn(cpu_s: float, then: str = "") -> list[str]:
    """A command that spends CPU seconds by its own clock, whoever else is on the machine."""
    return [sys.executable, "-S", "-c", BURN.format(cpu_s) + then]


def total_g(runs: list[PhaseRun]) -> float:
    return bill(*ledger_lines(runs), functional_unit="model", units=1.0, boundary="runs").total.value


# --- what a run spends ------------------------------------------------------------------------------------------------


def test_command_leaves_a_run_whose_grams_follow_from_its_joules(ledger: Path) -> None:
    options: dict[str, Any] = {"zone": "DE", "pue": 1.5, "meters": (), **WATTS}
    found = measure_command(burn(0.3), phase="training", ledger=ledger, **options)

    assert (found["exit_code"], found["status"], found["phase"]) == (0, "done", "training")
    assert found["schema"] == "gramwise.phase/1"
    assert 0.3 <= found["cpu_s"] < 0.6
    assert found["energy"]["value"] == pytest.approx(found["cpu_s"] * (24.0 - 4.0) / 4)
    assert found["energy"]["method"] == "assumed"
    assert found["idle"]["value"] == pytest.approx(found["wall_s"] * 4.0)
    for joules, grams in (("energy", "carbon"), ("idle", "idle_carbon")):
        expected = found[joules]["value"] * found["intensity"]["value"] * 1.5 / 3.6e6
        assert found[grams]["value"] == pytest.approx(expected)
        assert found[grams]["low"] < found[grams]["value"] < found[grams]["high"]
    assert (found["signal"], found["basis"]) == ("average", "lifecycle")


def test_the_meters_of_this_machine_are_tried_and_each_that_is_missing_says_why(ledger: Path) -> None:
    found = measure_command(burn(0.2), phase="training", ledger=ledger, **WATTS)
    said = " ".join(found["notes"])
    metered = {part["component"].partition(":")[0] for part in found["parts"]} - {"cpu"}
    for name in ("rapl", "nvml"):
        why = missing(name)
        if why is None:
            assert name in metered or f"{name}: its counters stood still" in said
        elif not metered:
            assert name in said
            assert why in said


def missing(meter: str) -> str | None:
    """Why this machine has not this meter; None when it has."""
    try:
        create("meter", meter)
    except GramwiseError as fault:
        return str(fault)
    return None


class Plug:
    """A meter from outside, whose joules nobody can place."""

    name = "plug"
    method: Method = "measured"

    def __init__(self, boundary: Boundary) -> None:
        self.boundary: Boundary = boundary
        self.joules = 0.0

    def read(self) -> Reading:
        return Reading(at_s=time.time(), joules={"mains": self.joules})


def test_meters_that_may_contain_each_other_are_not_added(package: Package) -> None:
    wall = Plug("wall")
    assert addable([package.meter, wall]) == [wall]
    assert addable([package.meter]) == [package.meter]
    assert addable([]) == []


def test_a_meter_at_the_site_and_a_pue_count_twice_and_are_refused(ledger: Path) -> None:
    options: dict[str, Any] = {"zone": "DE", "ledger": ledger, "meters": [Plug("site")]}
    with pytest.raises(ConfigError, match="pue: plug reads at the site"), measure("data", pue=1.3, **options):
        raise AssertionError("it began")
    with measure("data", **options) as measured:
        options["meters"][0].joules = 7.2e3
    assert measured.run is not None
    assert measured.run.carbon is not None
    assert measured.run.intensity is not None
    assert measured.run.carbon.value == pytest.approx(measured.run.intensity.value * 2e-3)


def test_parts_sum_to_the_total_of_the_bill(ledger: Path) -> None:
    for phase, cpu_s in (("data", 0.05), ("training", 0.2), ("tuning", 0.1)):
        measure_command(burn(cpu_s), phase=phase, zone="FR", ledger=ledger, meters=(), **WATTS)  # type: ignore[arg-type]
    runs = read_ledger(ledger)
    made = bill(*ledger_lines(runs), functional_unit="model", units=1.0, boundary="runs")

    assert list(made.by_phase()) == ["data", "training", "tuning", "idle"]
    expected = sum(q.value for run in runs for q in (run.carbon, run.idle_carbon) if q is not None)
    assert made.total.value == pytest.approx(expected, rel=1e-12)
    assert sum(made.by_phase().values()) == pytest.approx(made.total.value, rel=1e-12)
    assert left_out(runs) == ()


def test_twice_the_work_is_twice_the_energy_whatever_the_wall_clock_says(ledger: Path) -> None:
    once, twice, slept = (
        measure_command(command, phase="training", ledger=ledger, meters=(), **WATTS)
        for command in (burn(0.3), burn(0.6), burn(0.3, "time.sleep(0.7)"))
    )
    joules = [run["energy"]["value"] for run in (once, twice, slept)]
    assert joules[1] / joules[0] == pytest.approx(2.0, rel=0.25)
    assert joules[2] / joules[0] == pytest.approx(1.0, rel=0.25)
    assert slept["wall_s"] >= 1.0
    for run in (once, twice, slept):
        assert run["idle"]["value"] == pytest.approx(run["wall_s"] * 4.0)


@pytest.mark.parametrize("group", [True, False])
def test_children_and_grandchildren_are_counted(ledger: Path, group: bool) -> None:
    child = f"subprocess.run([sys.executable, '-S', '-c', {BURN.format(0.2)!r}])"
    code = f"import subprocess, sys\n{child}\n{child}"
    found = measure_command(
        [sys.executable, "-c", code], phase="data", ledger=ledger, group=group, meters=(), **WATTS
    )
    assert 0.4 <= found["cpu_s"] < 1.0


def test_a_grandchild_that_nobody_waits_for_is_counted_by_the_group(ledger: Path) -> None:
    if (clock := group_clock()) is None:
        pytest.skip("this user may make no control group here")
    clock.close()
    code = (
        "import os\n"
        "read, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        f"        exec({BURN.format(0.3)!r})\n"
        "    os._exit(0)\n"
        "os.wait(); os.close(write); os.read(read, 1)\n"
    )
    found = measure_command(
        [sys.executable, "-S", "-c", code], phase="data", ledger=ledger, meters=(), **WATTS
    )
    assert found["cpu_s"] >= 0.3


def test_a_command_that_leaves_the_group_is_counted_all_the_same(ledger: Path) -> None:
    place = own_cgroup()
    if place is None or (clock := group_clock()) is None:
        pytest.skip("this user may make no control group here")
    clock.close()
    leave = f"open({str(place[1] / 'cgroup.procs')!r}, 'w').write('0')\n"
    command = [sys.executable, "-S", "-c", leave + BURN.format(0.3)]
    found = measure_command(command, phase="data", ledger=ledger, meters=(), **WATTS)
    assert 0.3 <= found["cpu_s"] < 0.6


def test_a_hierarchy_that_does_not_count_is_not_used(tmp_path: Path) -> None:
    assert group_clock((2, tmp_path)) is None
    assert group_clock((2, tmp_path / "nowhere")) is None


def test_what_lives_on_is_said(ledger: Path, tmp_path: Path) -> None:
    if (clock := group_clock()) is None:
        pytest.skip("this user may make no control group here")
    clock.close()
    pid = tmp_path / "pid"
    found = measure_command(
        ["sh", "-c", f"sleep 20 & echo $! > {pid}"], phase="data", ledger=ledger, meters=()
    )
    os.kill(int(pid.read_text()), signal.SIGKILL)
    time.sleep(0.1)
    if (clock := group_clock()) is not None:  # takes the group away, whose process has gone
        clock.close()
    assert any("1 processes of the command live on" in note for note in found["notes"])
    for left in Path("/sys/fs/cgroup").glob(f"**/gramwise-{os.getpid()}-*-measure"):
        left.rmdir()


def test_unknown_power_and_zone_leave_unknown_energy_and_not_zero(ledger: Path) -> None:
    found = measure_command(burn(0.05), phase="training", ledger=ledger, meters=())
    assert (found["energy"], found["idle"], found["carbon"], found["intensity"]) == (None,) * 4
    assert found["cpu_s"] > 0.0
    assert any("name its device, or watts" in note for note in found["notes"])
    assert any("no zone was named" in note for note in found["notes"])
    runs = read_ledger(ledger)
    assert ledger_lines(runs) == ([], [])
    assert "its energy is unknown" in left_out(runs)[0]


def test_a_device_whose_idle_power_nobody_published_is_unknown(ledger: Path) -> None:
    found = measure_command(["true"], phase="data", device="pi_zero2w", ledger=ledger, meters=())
    assert found["energy"] is None
    assert any("idle power of this machine" in note for note in found["notes"])


def test_part_load_factor_follows_the_published_points() -> None:
    assert part_load_factor(1.0) == pytest.approx(1.0)
    assert part_load_factor(0.5) == pytest.approx((0.75 - 0.12) / (1.02 - 0.12) / 0.5)
    assert part_load_factor(0.1) == pytest.approx((0.32 - 0.12) / (1.02 - 0.12) / 0.1)
    falling = [part_load_factor(u / 100) for u in range(101)]
    assert all(after <= before + 1e-12 for before, after in pairwise(falling))


# --- how a run ends ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "code", "status"),
    [
        ("", 0, "done"),
        ("raise SystemExit(3)", 3, "failed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, "killed"),
    ],
)
@pytest.mark.parametrize("group", [True, False])
def test_every_end_leaves_a_billed_line(ledger: Path, then: str, code: int, status: str, group: bool) -> None:
    found = measure_command(
        burn(0.1, then), phase="tuning", zone="DE", ledger=ledger, group=group, meters=(), **WATTS
    )
    assert found["exit_code"] == code
    (run,) = read_ledger(ledger)
    assert run.status == status
    assert run.cpu_s is not None
    assert run.cpu_s >= 0.1
    assert total_g([run]) > 0.0


MEASURE = (
    "import sys; from gramwise.runtime.measure import measure_command;"
    "d = measure_command(sys.argv[2:], phase='training', zone='DE', ledger=sys.argv[1], meters=(),"
    "idle_w=4.0, busy_w=24.0); sys.exit(d['exit_code'])"
)


@contextlib.contextmanager
def measuring(ledger: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own that measures a command, in a session of its own."""
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    with subprocess.Popen(
        [sys.executable, "-c", MEASURE, str(ledger), *command],
        env=env,
        start_new_session=True,
        # A background job of a script ignores Ctrl-C, and would hand that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def until(true: Callable[[], object], seconds: float = 20.0) -> None:
    end_s = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.02)


def lines(ledger: Path) -> int:
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


def test_killing_the_measuring_process_leaves_an_unknown_end_and_what_was_spent_till_then(
    ledger: Path,
) -> None:
    with measuring(ledger, *burn(30.0)) as process:
        until(lambda: lines(ledger) >= 3)
        process.kill()
        process.wait()
    (run,) = read_ledger(ledger)
    assert (run.status, run.ended_s) == ("unknown", None)
    assert run.energy is not None
    assert run.energy.value > 0.0
    assert total_g([run]) > 0.0
    assert "its end is unknown" in left_out([run])[0]
    _sweep(process.pid)


def test_killed_at_once_it_is_unknown_and_never_zero(ledger: Path) -> None:
    with measuring(ledger, *burn(30.0)) as process:
        until(lambda: lines(ledger) >= 1)
        process.kill()
        process.wait()
    first = ledger.read_text().splitlines()[0] + "\n"
    ledger.write_text(first)  # as it stood before the first sign of life
    (run,) = read_ledger(ledger)
    assert (run.status, run.energy, run.carbon, run.cpu_s) == ("unknown", None, None, None)
    assert ledger_lines([run]) == ([], [])
    assert "its energy is unknown" in left_out([run])[0]
    _sweep(process.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_measuring_process_ends_the_command_and_the_run(ledger: Path, number: int) -> None:
    with measuring(
        ledger, "sh", "-c", "trap 'exit 7' TERM INT; echo > ready; while :; do sleep 0.05; done"
    ) as p:
        until(Path("ready").exists)
        p.send_signal(number)
        assert p.wait(20) == 7
    (run,) = read_ledger(ledger)
    assert run.status == "failed"


def _sweep(pid: int) -> None:
    """A killed measurement leaves its group; the next one takes it away, and so does this."""

    def gone() -> bool:
        if (clock := group_clock()) is not None:
            clock.close()
        return not list(Path("/sys/fs/cgroup").glob(f"*/gramwise-{pid}-*-measure"))

    until(gone)  # what was killed with it takes a moment to leave


def test_a_command_that_does_not_exist_is_refused_before_anything_is_written(ledger: Path) -> None:
    with pytest.raises(ConfigError, match="no command 'gramwise-nothing'"):
        measure_command(["gramwise-nothing"], phase="training", ledger=ledger)
    with pytest.raises(ConfigError, match="no command to measure"):
        measure_command([], phase="training", ledger=ledger)
    assert not ledger.exists()


def test_a_command_that_cannot_be_started_leaves_a_failed_run(ledger: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/nowhere/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(ConfigError, match="cannot be started"):
        measure_command([str(broken)], phase="training", ledger=ledger, meters=())
    assert read_ledger(ledger)[0].status == "failed"


# --- blocks -----------------------------------------------------------------------------------------------------------


def spin(cpu_s: float) -> None:
    end_s = time.process_time() + cpu_s
    while time.process_time() < end_s:
        pass


def test_block_counts_this_process_and_its_children(ledger: Path) -> None:
    with measure("training", ledger=ledger, meters=(), **WATTS) as measured:
        spin(0.2)
        subprocess.run(burn(0.2), check=True)
    assert measured.run is not None
    assert measured.run.cpu_s is not None
    assert 0.4 <= measured.run.cpu_s < 4.0  # starting Python takes some too
    assert read_ledger(ledger) == [measured.run]


def test_a_living_child_is_counted(ledger: Path) -> None:
    with measure("training", ledger=ledger, meters=(), **WATTS) as measured:
        child = subprocess.Popen([*burn(0.4, "print(flush=True)\ntime.sleep(60)")], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
    child.kill()
    child.communicate()
    assert measured.run is not None
    assert measured.run.cpu_s is not None
    assert measured.run.cpu_s >= 0.35


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (ValueError("x"), "failed"),
        (KeyboardInterrupt(), "failed"),
        (SystemExit(2), "failed"),
        (SystemExit(0), "done"),
    ],
)
def test_a_block_that_raises_is_recorded_and_raises(ledger: Path, fault: BaseException, status: str) -> None:
    with pytest.raises(type(fault)), measure("tuning", ledger=ledger, meters=()):
        raise fault
    assert read_ledger(ledger)[0].status == status
    assert PARENT not in os.environ


def test_decorated_functions_are_measured_at_each_call(ledger: Path) -> None:
    @measure("data", ledger=ledger, meters=())
    def collect(n: int) -> int:
        return n + 1

    @measure("tuning", ledger=ledger, meters=())
    async def tune() -> str:
        await asyncio.sleep(0.01)
        return "tuned"

    assert (collect(1), collect(2), asyncio.run(tune())) == (2, 3, "tuned")
    assert [(run.name, run.phase) for run in read_ledger(ledger)] == [
        ("collect", "data"),
        ("collect", "data"),
        ("tune", "tuning"),
    ]


def test_a_copy_made_by_fork_tells_nothing(ledger: Path) -> None:
    code = (
        "import os, sys; from gramwise.runtime.measure import measure\n"
        "with measure('data', ledger=sys.argv[1], meters=()):\n"
        "    pid = os.fork()\n"
        "if pid: os.waitpid(pid, 0)\n"
    )
    env = {**os.environ, "PYTHONPATH": str(SOURCE)}
    subprocess.run([sys.executable, "-c", code, str(ledger)], check=True, env=env)
    assert len(read_ledger(ledger)) == 1
    assert lines(ledger) == 2


def test_a_measurement_is_entered_once(ledger: Path) -> None:
    measured = measure("data", ledger=ledger, meters=())
    with measured:
        pass
    with pytest.raises(ConfigError, match="entered once"), measured:
        pass


def test_a_full_disk_stops_no_run_and_loses_no_earlier_line(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = small_disk / "ledger.jsonl"
    options: dict[str, Any] = {
        "ledger": ledger,
        "meters": (),
        "name": "x" * 5000,
    }  # a line is more than a page
    with measure("data", **options) as measured:
        with contextlib.suppress(OSError), (small_disk / "filler").open("wb") as filler:
            while True:
                filler.write(b"x" * 512)
                filler.flush()
        size = ledger.stat().st_size
    assert "is not in the ledger" in caplog.text
    assert measured.run is not None
    assert ledger.stat().st_size == size
    assert [run.status for run in read_ledger(ledger)] == ["unknown"]
    with pytest.raises(DataError, match="ledger cannot be"), measure("data", **options):
        raise AssertionError("it began without its line")
    assert PARENT not in os.environ


# --- runs inside runs -------------------------------------------------------------------------------------------------


def test_nested_runs_are_recorded_and_summed_once(ledger: Path) -> None:
    code = (
        "from gramwise.runtime.measure import measure, measure_command; import sys\n"
        "o = dict(zone='DE', meters=(), idle_w=4.0, busy_w=24.0, cpus=4)\n"
        "with measure('data', **o):\n"
        "    measure_command([sys.executable, '-S', '-c', 'sum(range(10**6))'], phase='tuning', **o)\n"
    )
    outer = measure_command(
        ["env", f"PYTHONPATH={SOURCE}", sys.executable, "-c", code],
        phase="training", zone="DE", ledger=ledger, meters=(), **WATTS,
    )  # fmt: skip
    training, data, tuning = read_ledger(ledger)
    assert (training.parent, data.parent, tuning.parent) == (None, training.id, data.id)
    assert training.id == outer["id"]
    assert training.cpu_s is not None
    assert data.cpu_s is not None
    assert data.cpu_s < training.cpu_s
    expected = outer["carbon"]["value"] + outer["idle_carbon"]["value"]
    assert total_g([training, data, tuning]) == pytest.approx(expected, rel=1e-12)
    assert total_g([data, training]) == pytest.approx(expected, rel=1e-12)


def test_blocks_of_several_threads_may_end_in_any_order(ledger: Path) -> None:
    first, second = (measure("data", ledger=ledger, meters=()) for _ in range(2))
    started, go = threading.Event(), threading.Event()

    def other() -> None:
        with second:
            started.set()
            go.wait(10)

    thread = threading.Thread(target=other)
    with first:
        thread.start()
        started.wait(10)
    go.set()
    thread.join()
    assert PARENT not in os.environ
    runs = {run.id: run for run in read_ledger(ledger)}
    assert first.run is not None
    assert second.run is not None
    assert runs[second.run.id].parent == first.run.id


def test_a_mark_that_is_none_is_ignored(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PARENT, "nonsense")
    with measure("data", ledger=ledger, meters=()) as measured:
        pass
    assert measured.run is not None
    assert measured.run.parent is None
    assert os.environ[PARENT] == "nonsense"


def test_the_ledger_lies_below_the_working_directory_unless_told(tmp_path: Path) -> None:
    found = measure_command(["true"], phase="data", meters=())
    assert found["ledger"] == str(tmp_path / ".gramwise" / "ledger.jsonl")
    assert len(read_ledger(found["ledger"])) == 1


# --- meters -----------------------------------------------------------------------------------------------------------


class Package:
    """A RAPL package in a directory laid out as the kernel does."""

    def __init__(self, root: Path) -> None:
        zone = root / "intel-rapl:0"
        zone.mkdir(parents=True)
        (zone / "name").write_text("package-0\n")
        (zone / "max_energy_range_uj").write_text("262143328850\n")
        self.counter = zone / "energy_uj"
        self.counter.write_text("5000000\n")
        self.meter = Rapl(root)
        self._lock = threading.Lock()

    def add(self, joules: float) -> None:
        new = self.counter.with_name("new")
        with self._lock:
            new.write_text(f"{int(self.counter.read_text()) + round(joules * 1e6)}\n")
            new.replace(self.counter)


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path / "powercap")


def test_metered_joules_are_measured_and_charged_whole(ledger: Path, package: Package) -> None:
    with measure("training", zone="DE", ledger=ledger, meters=[package.meter], **WATTS) as measured:
        package.add(30.0)
        spin(0.1)
    run = measured.run
    assert run is not None
    assert run.energy is not None
    assert run.energy.value == pytest.approx(30.0)
    assert (run.energy.method, run.energy.boundary) == ("measured", "chip")
    assert run.energy.low < 30.0 < run.energy.high
    assert run.idle is None
    assert any("contained in the run's" in note for note in run.notes)
    assert left_out([run]) == ()


def test_what_a_meter_shows_at_rest_is_idle_and_the_parts_sum_to_what_it_read(
    ledger: Path, package: Package
) -> None:
    stop = threading.Event()

    def drain() -> None:
        """Ten watts, however late this thread is."""
        last_s = time.monotonic()
        while not stop.wait(0.01):
            now_s = time.monotonic()
            package.add(10.0 * (now_s - last_s))
            last_s = now_s

    thread = threading.Thread(target=drain)
    thread.start()
    before = package.meter.read().total_j
    try:
        with measure("training", ledger=ledger, meters=[package.meter], watch_idle_s=0.3) as measured:
            first = package.meter.read().total_j
            package.add(50.0)
            time.sleep(0.3)
        last = package.meter.read().total_j
    finally:
        stop.set()
        thread.join()
    run = measured.run
    assert before < first
    assert run is not None
    assert run.energy is not None
    assert run.idle is not None
    assert run.energy.value == pytest.approx(50.0, rel=0.1)
    assert run.energy.value + run.idle.value == pytest.approx(last - first, rel=0.05)


def test_by_process_the_share_of_cpu_time_is_charged_and_is_a_model(ledger: Path, package: Package) -> None:
    with measure("data", ledger=ledger, meters=[package.meter], tracking="process") as measured:
        package.add(30.0)
        time.sleep(0.1)
        subprocess.run(burn(0.3), check=True)
    run = measured.run
    assert run is not None
    assert run.energy is not None
    assert 0.0 < run.energy.value <= 30.0
    assert run.energy.method == "modelled"
    assert not run.parts[0].whole_machine


def test_counters_that_stand_still_are_no_measurement(ledger: Path, package: Package) -> None:
    with measure("data", ledger=ledger, meters=[package.meter], **WATTS) as measured:
        spin(0.05)
    assert measured.run is not None
    assert measured.run.energy is not None
    assert measured.run.energy.method == "assumed"
    assert any("stood still" in note for note in measured.run.notes)


def test_a_meter_that_is_lost_meanwhile_is_said_and_the_model_stands_in(
    ledger: Path, package: Package
) -> None:
    with measure("data", ledger=ledger, meters=[package.meter], **WATTS) as measured:
        spin(0.05)
        package.counter.unlink()
    assert measured.run is not None
    assert measured.run.energy is not None
    assert measured.run.energy.method == "assumed"
    assert any("rapl stopped counting" in note for note in measured.run.notes)


def test_two_runs_that_each_charge_the_whole_machine_are_refused(ledger: Path, package: Package) -> None:
    other = Rapl(package.counter.parents[1])
    with measure("training", zone="DE", ledger=ledger, meters=[package.meter]) as one:
        two = measure("training", zone="DE", ledger=ledger, meters=[other])
        os.environ.pop(PARENT)  # as for a command that was started beside it
        with two:
            package.add(5.0)
    assert one.run is not None
    assert two.run is not None
    with pytest.raises(DataError, match="on one machine at the same time"):
        ledger_lines(read_ledger(ledger))
    assert total_g([one.run]) > 0.0


# --- the grid ---------------------------------------------------------------------------------------------------------


def hours_file(folder: Path, column: str = "lifecycle_g_per_kwh", value: float = 123.0) -> Path:
    """This year's hours of a zone that the annual table does not know, all alike."""
    folder.mkdir()
    year = time.gmtime().tm_year
    rows = [f"{year}-{month:02d}-{day:02d}T{hour:02d}:00:00Z,{value}" for month, day, hour in _hours()]
    (folder / f"HERE_{year}.csv").write_text("\n".join([f"time_utc,{column}", *rows]) + "\n")
    return folder


def _hours() -> Iterator[tuple[int, int, int]]:
    for month in range(1, 13):
        for day in range(1, 29):
            for hour in range(24):
                yield month, day, hour


def test_recorded_hours_give_the_mean_over_the_run(ledger: Path, tmp_path: Path) -> None:
    if time.gmtime().tm_mday > 28:
        pytest.skip("the recorded hours of this test end on the 28th of each month")
    found = measure_command(
        ["true"],
        phase="data",
        zone="HERE",
        traces=hours_file(tmp_path / "t"),
        ledger=ledger,
        meters=(),
        **WATTS,
    )
    assert found["intensity"]["value"] == pytest.approx(123.0)
    assert (found["signal"], found["basis"]) == ("average", "lifecycle")


def test_kinds_are_not_mixed_on_a_bill(ledger: Path, tmp_path: Path) -> None:
    if time.gmtime().tm_mday > 28:
        pytest.skip("the recorded hours of this test end on the 28th of each month")
    direct = hours_file(tmp_path / "t", "direct_g_per_kwh")
    measure_command(["true"], phase="data", zone="HERE", traces=direct, ledger=ledger, meters=(), **WATTS)
    measure_command(["true"], phase="data", zone="DE", ledger=ledger, meters=(), **WATTS)
    with pytest.raises(DataError, match="not comparable"):
        ledger_lines(read_ledger(ledger))


def test_a_provider_that_fails_at_the_end_loses_no_run(ledger: Path) -> None:
    options: dict[str, Any] = {"ledger": ledger, "meters": (), **WATTS}
    found = measure_command(["true"], phase="data", zone="DE", provider="uk-carbon-intensity", **options)
    assert found["status"] == "done"
    assert any("uk-carbon-intensity has no answer" in note for note in found["notes"])
    assert found["intensity"]["value"] == pytest.approx(344.1, rel=0.5)
    found = measure_command(
        ["true"], phase="data", zone="DE", provider="uk-carbon-intensity", basis="direct", **options
    )
    assert (found["intensity"], found["carbon"]) == (None, None)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"phase": "trainig"}, "phase: .*Did you mean 'training'"),
        ({"phase": "manufacture"}, "phase"),
        ({"zone": "Nirgendwo-XX"}, "no zone"),
        ({"device": "pi55"}, "Did you mean 'pi5'"),
        ({"busy_w": 0.0}, "busy_w"),
        ({"idle_w": float("nan")}, "idle_w"),
        ({"idle_w": 9.0, "busy_w": 5.0}, "busy_w: busy power of 5 W is below idle"),
        ({"cpus": 0}, "cpus"),
        ({"reserved_frac": 0.0}, "reserved_frac"),
        ({"reserved_frac": 1.5}, "reserved_frac"),
        ({"pue": 0.9}, "pue"),
        ({"pue": float("inf")}, "pue"),
        ({"tracking": "thread"}, "tracking"),
        ({"watch_idle_s": -1.0}, "watch_idle_s"),
        ({"provider": "electricitymap", "zone": "DE"}, "electricity-maps"),
        ({"provider": "trace", "zone": "DE"}, "traces"),
        ({"provider": "annual"}, "zone"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_run(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        measure(**{"phase": "training", **options})


def test_a_ledger_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="ledger cannot be opened"):
        measure_command(
            ["sh", "-c", "echo > ran"], phase="data", ledger=tmp_path / "file" / "ledger.jsonl", meters=()
        )
    assert not Path("ran").exists()


def test_a_signal_that_comes_before_the_command_is_there_reaches_it() -> None:
    from gramwise.runtime.measure import _PassedOn

    passed_on, sent = _PassedOn(), list[int]()
    passed_on.came(15)
    assert sent == []
    passed_on.to(sent.append)
    passed_on.came(1)
    assert sent == [15, 1]
