"""CPU clocks of real children, compared with what the children say of themselves; cgroup counters on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from gramwise.core.errors import MeterAbsent, MeterError
from gramwise.power.clocks import cgroup_cpu_s, own_cgroup, process_cpu_s

TICK_S = 0.01
"""The longest scheduler tick of Linux (100 Hz): as far as a running thread's clock may lag behind."""

BURN = """
import sys, threading, time
def burn():
    end = time.thread_time() + 0.15
    while time.thread_time() < end: pass
others = [threading.Thread(target=burn) for _ in range(int(sys.argv[1]))]
for t in others: t.start()
for t in others: t.join()
burn()
print(time.process_time(), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("extra_threads", [0, 2])
def test_child_is_seen_as_it_sees_itself_with_all_its_threads(extra_threads):
    with subprocess.Popen(
        [sys.executable, "-c", BURN, str(extra_threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        said_s = float(child.stdout.readline())
        time.sleep(0.05)  # it now waits for its input: its clock is exact and stands still
        seen_s = process_cpu_s(child.pid)
        assert process_cpu_s(child.pid) == seen_s

    assert said_s >= 0.15 * (1 + extra_threads)
    assert said_s <= seen_s <= said_s + TICK_S


def test_clock_outlives_the_child_until_it_is_waited_for():
    child = subprocess.Popen(
        [sys.executable, "-c", BURN, "0"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    said_s = float(child.stdout.readline())
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    last_s = process_cpu_s(child.pid)
    child.wait()
    child.stdout.close()

    assert last_s >= said_s
    assert process_cpu_s(child.pid) is None


def test_clock_of_a_busy_child_never_runs_backwards_and_keeps_pace():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        readings = []
        end_s = time.monotonic() + 0.3
        while time.monotonic() < end_s:
            readings.append(process_cpu_s(child.pid))
        child.kill()

    assert readings == sorted(readings)
    assert readings[-1] > readings[0]


@pytest.mark.parametrize("pid", [0, -1])
def test_numbers_that_mean_something_else_to_the_kernel_are_refused(pid):
    with pytest.raises(ValueError, match="positive"):
        process_cpu_s(pid)


def test_counter_of_version_1_is_in_nanoseconds(tmp_path):
    (tmp_path / "cpuacct.usage").write_text("1500000000\n")
    assert cgroup_cpu_s(tmp_path) == pytest.approx(1.5)


def test_counter_of_version_2_is_in_microseconds(tmp_path):
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\n")
    assert cgroup_cpu_s(tmp_path) == pytest.approx(2.5)


def test_throttling_statistics_of_version_1_are_not_mistaken_for_usage(tmp_path):
    (tmp_path / "cpu.stat").write_text("nr_periods 10\nnr_throttled 2\nthrottled_time 5000\n")
    with pytest.raises(MeterAbsent, match="cpuacct"):
        cgroup_cpu_s(tmp_path)


def test_group_that_is_gone_is_unknown_and_not_zero(tmp_path):
    assert cgroup_cpu_s(tmp_path / "gone") is None


def test_counter_that_reads_nonsense_names_the_file(tmp_path):
    (tmp_path / "cpuacct.usage").write_text("soon\n")
    with pytest.raises(MeterError, match=r"cpuacct.usage reads 'soon'"):
        cgroup_cpu_s(tmp_path)


def test_counter_that_may_not_be_read_says_so(as_nobody, locked):
    counter = locked.root / "cpuacct.usage"
    counter.write_text("1\n")
    counter.chmod(0)
    said = as_nobody(
        "try: cgroup_cpu_s(sys.argv[1])\nexcept MeterDenied as fault: print(fault)",
        counter.parent,
    )
    assert f"Run: sudo chmod o+r {counter}" in said


def described(tmp_path, cgroup, mountinfo):
    (tmp_path / "cgroup").write_text(cgroup)
    (tmp_path / "mountinfo").write_text(mountinfo)
    return own_cgroup(tmp_path)


def test_own_group_of_version_1(tmp_path):
    found = described(
        tmp_path,
        "4:memory:/b\n2:cpu,cpuacct:/a/b\n0::/\n",
        "33 31 0:30 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n",
    )
    assert found is not None
    assert (found[0], str(found[1])) == (1, "/sys/fs/cgroup/cpu/a/b")


def test_own_group_of_version_2(tmp_path):
    found = described(
        tmp_path,
        "0::/user.slice/user-1000.slice\n",
        "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    )
    assert found is not None
    assert (found[0], str(found[1])) == (2, "/sys/fs/cgroup/user.slice/user-1000.slice")


def test_own_group_in_a_container_starts_at_the_mount(tmp_path):
    found = described(
        tmp_path,
        "2:cpuacct:/docker/c0ffee/inner\n",
        "33 31 0:30 /docker/c0ffee /sys/fs/cgroup/cpuacct ro - cgroup cgroup rw,cpuacct\n",
    )
    assert found is not None
    assert str(found[1]) == "/sys/fs/cgroup/cpuacct/inner"


def test_no_hierarchy_that_counts(tmp_path):
    assert described(tmp_path, "4:memory:/\n", "34 31 0:31 / /m rw - cgroup cgroup rw,memory\n") is None
    assert own_cgroup(tmp_path / "nowhere") is None


def test_this_process_is_counted_by_its_own_group():
    place = own_cgroup()
    if place is None:
        pytest.skip("no cpuacct or unified hierarchy is mounted here")
    before_s = cgroup_cpu_s(place[1])
    own_s = time.process_time()
    while time.process_time() < own_s + 0.1:
        pass
    assert cgroup_cpu_s(place[1]) - before_s >= 0.1 - TICK_S
