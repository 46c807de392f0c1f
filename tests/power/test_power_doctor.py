"""Doctor on machines made of files: nothing there, counters that run, stand still, or are locked."""

from __future__ import annotations

import json
import sys

import pytest

from gramwise.power.doctor import Report, Source, examine


def by_name(report: Report) -> dict[str, Source]:
    return {source.name: source for source in report.sources}


def test_bare_machine_measures_nothing_and_models_with_clocks(tmp_path, cpuinfo):
    cpuinfo("hypervisor")
    report = examine(powercap=tmp_path / "powercap", root=tmp_path)
    found = by_name(report)

    assert not report.measured
    assert found["rapl"].state == "missing"
    assert found["nvml"].state == "missing"
    assert (found["rapl"].command, found["nvml"].command) == ("", "")
    assert found["process-cpu-clock"].state == "found"
    assert found["thread-cpu-clock"].state == "found"
    assert found["cgroup-cpu-counter"].state == "missing"
    assert report.coverage.startswith("Nothing here measures energy: every joule is modelled")


def test_running_counters_are_measured(powercap, tmp_path):
    counter = powercap.zone("intel-rapl:0", "package-0")
    powercap.zone("intel-rapl:0:0", "dram")
    with powercap.running(counter):
        report = examine(powercap=powercap.root, root=tmp_path)
    rapl = by_name(report)["rapl"]

    assert report.measured
    assert (rapl.state, rapl.method, rapl.boundary, rapl.command) == ("found", "measured", "chip", "")
    assert rapl.why == "counts package-0, package-0/dram."
    assert report.coverage.startswith("Measured: processor packages and their memory (rapl).")


def test_counters_that_stand_still_are_not_a_meter(powercap, tmp_path):
    powercap.zone("intel-rapl:0", "package-0", energy_uj=123)
    report = examine(powercap=powercap.root, root=tmp_path, watch_s=0.02)

    assert not report.measured
    assert by_name(report)["rapl"].state == "missing"
    assert "stand still" in by_name(report)["rapl"].why


def test_locked_counters_are_denied_with_the_repair(locked, as_nobody):
    said = json.loads(
        as_nobody("print(json.dumps(examine(powercap=sys.argv[1]).to_document()))", locked.root)
    )
    rapl = next(source for source in said["sources"] if source["name"] == "rapl")

    assert rapl["state"] == "denied"
    assert rapl["why"].startswith(f"{locked.root}/intel-rapl:0/energy_uj may not be read")
    assert "Run:" not in rapl["why"]
    assert rapl["command"].startswith(f"sudo chmod o+r {locked.root}/intel-rapl:*/energy_uj")
    assert said["measured"] is False


def test_gpu_driver_without_the_library_is_repaired_by_pip(tmp_path, monkeypatch):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    monkeypatch.setitem(sys.modules, "pynvml", None)
    nvml = by_name(examine(powercap=tmp_path / "powercap", root=tmp_path))["nvml"]

    assert nvml.state == "missing"
    assert nvml.command == "pip install 'gramwise[nvidia]'"


def test_group_counter_is_found_where_the_kernel_says(tmp_path):
    group = tmp_path / "sys/fs/cgroup/mine"
    group.mkdir(parents=True)
    (group / "cpu.stat").write_text("usage_usec 1\n")
    own = tmp_path / "proc/self"
    own.mkdir(parents=True)
    (own / "cgroup").write_text("0::/mine\n")
    (own / "mountinfo").write_text(f"29 23 0:26 / {group.parent} rw - cgroup2 cgroup2 rw\n")

    found = by_name(examine(powercap=tmp_path / "powercap", root=tmp_path))["cgroup-cpu-counter"]
    assert (found.state, found.why) == ("found", f"version 2, {group}.")


def test_document_is_plain_json(tmp_path):
    document = examine(powercap=tmp_path / "powercap", root=tmp_path).to_document()

    assert json.loads(json.dumps(document)) == document
    assert document["schema"] == "gramwise.doctor/1"
    assert {tuple(sorted(source)) for source in document["sources"]} == {
        ("boundary", "command", "component", "kind", "method", "name", "state", "why")
    }


@pytest.mark.parametrize("state", ["missing", "denied"])
def test_only_a_found_meter_counts_as_measured(state):
    source = Source(
        name="rapl",
        kind="energy",
        component="processor",
        method="measured",
        boundary="",
        state=state,
        why="",
        command="",
    )
    assert not Report(sources=(source,)).measured
    assert Report(sources=()).coverage.startswith("Nothing here tells energy")
