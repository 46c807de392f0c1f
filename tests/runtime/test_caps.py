"""Caps that bind in the kernel's own hierarchy, and every file and refusal in directories made for the test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gramwise.core.errors import ConfigError, ExecutionError
from gramwise.power.clocks import cgroup_cpu_s
from gramwise.runtime import caps

MIB = 2**20

_SPIN = """
import sys, time
from gramwise.runtime import caps
caps.join(sys.argv[2:])
print("joined", flush=True)
end_s = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end_s:
    pass
"""

_FILL = """
import sys
from gramwise.runtime import caps
caps.join(sys.argv[1:])
block = bytearray(200_000_000)
block[::4096] = b"x" * len(block[::4096])
print("kept it", flush=True)
"""


@pytest.fixture
def kernel() -> Iterator[Callable[[float, int], caps.Group]]:
    """Makes real groups with the strongest kind that this user may set, and takes them away."""
    maker = caps.find()
    if maker.kind == "virtual":
        pytest.skip("this user may make no control group here")
    made: list[caps.Group] = []

    def make(share: float, memory_bytes: int) -> caps.Group:
        made.append(maker.make(f"test{len(made)}", share, memory_bytes))
        return made[-1]

    yield make
    for group in made:
        group.remove()
        assert not any(directory.exists() for directory in group.directories)


def test_a_share_of_0_4_binds(kernel: Callable[[float, int], caps.Group]) -> None:
    group = kernel(0.4, 256 * MIB)
    assert group.counter is not None
    command = [sys.executable, "-c", _SPIN, "2.5", *map(str, group.join)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "joined\n"
        before_s, begin_s = cgroup_cpu_s(group.counter), time.monotonic()
        time.sleep(2.0)
        after_s, took_s = cgroup_cpu_s(group.counter), time.monotonic() - begin_s
    assert before_s is not None
    assert after_s is not None
    # Above it the cap does not bind; below it something else took the CPU, which a busy machine may do.
    assert 0.02 < (after_s - before_s) / took_s < 0.45


def test_memory_beyond_the_cap_is_killed_and_counted(kernel: Callable[[float, int], caps.Group]) -> None:
    group = kernel(1.0, 64 * MIB)
    command = [sys.executable, "-c", _FILL, *map(str, group.join)]
    child = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert child.returncode == -9
    assert child.stdout == ""
    if any("oom_kill " in line for line in (group.events or Path()).read_text().splitlines(keepends=True)):
        assert group.memory_kills() >= 1


def test_a_refused_limit_leaves_nothing(kernel: Callable[[float, int], caps.Group]) -> None:
    maker = caps.find()
    with pytest.raises(ExecutionError, match=r"the kernel refused a cap of 1\.0 CPU and -5 bytes"):
        maker.make("refused", 1.0, -5)
    assert not any(Path("/sys/fs/cgroup").glob(f"*/gramwise-{os.getpid()}-*-refused"))


@pytest.mark.parametrize(
    ("share", "period_s", "expected"),
    [
        (0.4, 0.01, (4000, 10_000)),
        (1.0, 0.01, (10_000, 10_000)),
        (2.5, 0.1, (250_000, 100_000)),
        (0.1, 0.01, (1000, 10_000)),
        (0.05, 0.01, (1000, 20_000)),  # 0.5 ms is under the kernel's least quota, so the period grows
        (0.001, 0.01, (1000, 1_000_000)),
    ],
)
def test_quota_keeps_the_share_and_the_limits_of_the_kernel(
    share: float, period_s: float, expected: tuple[int, int]
) -> None:
    assert caps.quota("a", share, period_s) == expected
    assert expected[0] / expected[1] == pytest.approx(share)


def test_a_share_that_no_period_can_express_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"nodes\.a\.cpu_share: .* at least 0\.001, not 0\.0005"):
        caps.quota("a", 0.0005, 0.01)


@pytest.mark.parametrize("period_s", [0.0009, 1.1, 0.0, -1.0, float("nan")])
def test_a_period_outside_the_limits_of_the_kernel_is_refused(period_s: float) -> None:
    with pytest.raises(ConfigError, match=r"executor\.period_s: .*0\.001 to 1 s.*Write 0\.01"):
        caps.find("virtual", period_s)


def test_virtual_limits_nothing_and_is_what_auto_gives_where_there_is_nothing(tmp_path: Path) -> None:
    maker = caps.find("auto", sys_root=tmp_path, proc=tmp_path)
    group = maker.make("a", 0.4, 64 * MIB)
    assert (maker.kind, group.kind, group.join, group.counter, group.directories) == (
        *("virtual", "virtual"),
        (),
        None,
        (),
    )
    assert group.memory_kills() == 0
    group.remove()


def version_1(top: Path) -> Path:
    for part, file in (
        ("cpu", "cpu.cfs_quota_us"),
        ("cpuacct", "cpuacct.usage"),
        ("memory", "memory.limit_in_bytes"),
    ):
        (top / part).mkdir(parents=True)
        (top / part / file).write_text("0\n")
    return top


def test_version_1_writes_these_files(tmp_path: Path) -> None:
    maker = caps.CgroupV1(version_1(tmp_path), 0.02, prefix="g")
    group = maker.make("a", 0.4, 64 * MIB)
    written = {
        str(f.relative_to(tmp_path)): f.read_text() for f in sorted(tmp_path.glob("*/g-a/*")) if f.is_file()
    }
    assert written == {
        "cpu/g-a/cpu.cfs_period_us": "20000",
        "cpu/g-a/cpu.cfs_quota_us": "8000",
        "memory/g-a/memory.limit_in_bytes": str(64 * MIB),
    }
    assert group.counter == tmp_path / "cpuacct" / "g-a"
    caps.join(group.join)
    assert {f.read_text() for f in group.join} == {str(os.getpid())}
    assert len(group.join) == 3
    (tmp_path / "memory/g-a/memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert group.memory_kills() == 2


def test_groups_of_a_run_that_was_killed_are_swept_and_others_are_not(tmp_path: Path) -> None:
    top = version_1(tmp_path)
    gone, alive = (
        "gramwise-4194999-abc-a",
        f"gramwise-{os.getpid()}-abc-a",
    )  # above the kernel's largest process id
    for part in ("cpu", "cpuacct", "memory"):
        (top / part / gone).mkdir()
        (top / part / alive).mkdir()
    caps.find("cgroup-v1", sys_root=top, touch=False)
    assert (top / "cpu" / gone).exists()  # who only looks takes nothing away
    caps.find("cgroup-v1", sys_root=top)
    assert not list(top.glob(f"*/{gone}"))
    assert len(list(top.glob(f"*/{alive}"))) == 3


def version_2(top: Path, controllers: str = "cpuset cpu io memory pids", own: str = "/user/me") -> Path:
    (top / "proc").mkdir(parents=True)
    (top / "proc" / "cgroup").write_text(f"0::{own}\n")
    home = top / "sys" / own.lstrip("/")
    home.mkdir(parents=True)
    (top / "sys" / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (home / "cgroup.controllers").write_text(controllers + "\n")
    (home / "cgroup.subtree_control").write_text("")
    (home / "cgroup.procs").write_text("4711\n4712\n")
    return home


def find_v2(top: Path, period_s: float = 0.01) -> caps.Maker:
    return caps.find("cgroup-v2", period_s, sys_root=top / "sys", proc=top / "proc")


def test_version_2_writes_these_files_and_hands_the_controllers_down(tmp_path: Path) -> None:
    home = version_2(tmp_path)
    maker = find_v2(tmp_path, period_s=0.05)
    assert maker.kind == "cgroup-v2"
    assert (home / "cgroup.subtree_control").read_text() == "+cpu +memory"
    group = maker.make("a", 0.4, 64 * MIB)
    (leaf,) = group.directories
    assert leaf.parent == home
    assert {f.name: f.read_text() for f in leaf.iterdir()} == {
        "cpu.max": "20000 50000",
        "memory.max": str(64 * MIB),
    }
    assert (group.join, group.counter) == ((leaf / "cgroup.procs",), leaf)
    (leaf / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\n")
    assert group.memory_kills() == 1
    assert not (home / "gramwise-host").exists()  # the controllers went down without moving anybody


def test_version_2_moves_its_processes_to_a_leaf_where_the_kernel_wants_that(tmp_path: Path) -> None:
    """The kernel refuses to hand down while the group holds processes; a link to a place in the leaf does too."""
    home = version_2(tmp_path)
    (home / "cgroup.subtree_control").unlink()
    (home / "cgroup.subtree_control").symlink_to(Path("gramwise-host") / "handed-down")
    caps._hand_down(home)
    assert (home / "gramwise-host" / "handed-down").read_text() == "+cpu +memory"
    assert (home / "gramwise-host" / "cgroup.procs").read_text() == "4712"  # each was written in its turn


def test_version_2_works_above_the_leaf_that_an_earlier_run_moved_the_shell_into(tmp_path: Path) -> None:
    home = version_2(tmp_path)
    (home / "gramwise-host").mkdir()
    (tmp_path / "proc" / "cgroup").write_text("0::/user/me/gramwise-host\n")
    (leaf,) = find_v2(tmp_path).make("a", 0.4, 64 * MIB).directories
    assert leaf.parent == home


def test_looking_hands_nothing_down(tmp_path: Path) -> None:
    home = version_2(tmp_path)
    caps.find("cgroup-v2", sys_root=tmp_path / "sys", proc=tmp_path / "proc", touch=False)
    assert (home / "cgroup.subtree_control").read_text() == ""


def test_version_2_leaves_alone_what_is_already_handed_down(tmp_path: Path) -> None:
    home = version_2(tmp_path)
    (home / "cgroup.subtree_control").write_text("cpu memory pids\n")
    find_v2(tmp_path)
    assert (home / "cgroup.subtree_control").read_text() == "cpu memory pids\n"


@pytest.mark.parametrize("kind", ["cgroup-v1", "cgroup-v2"])
def test_no_hierarchy_is_said_with_the_key_and_the_way_out(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf'executor\.caps: {kind} caps cannot .*caps = "auto"') as caught:
        caps.find(kind, sys_root=tmp_path, proc=tmp_path)
    assert "hierarchy" in str(caught.value)


def test_controllers_that_are_not_delegated_are_named(tmp_path: Path) -> None:
    home = version_2(tmp_path, controllers="pids cpu")
    with pytest.raises(ConfigError, match=f"controllers memory are not delegated to {home}"):
        find_v2(tmp_path)


def test_a_group_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    home = version_2(tmp_path)
    (home / "cgroup.subtree_control").unlink()
    with pytest.raises(ConfigError, match=f"{home} may not be written by this user"):
        find_v2(tmp_path)


def test_examine_agrees_with_what_auto_gives() -> None:
    found = caps.examine()
    kind = caps.find().kind
    assert found["kind"] == kind
    refused = found["refused"]
    assert isinstance(refused, dict)
    assert ("cgroup-v2" in refused) == (kind != "cgroup-v2")
