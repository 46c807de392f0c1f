"""The verb measure around real commands: their streams and exit codes stay theirs, and no end of it loses a run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BURN = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass\n"
WATTS = ("--busy-w", "20", "--idle-w", "5", "--cpus", "2")
LIFE = """
schema = 1
name = "life"
baseline_node = "here"

[models.digits]
reference = "fp32"
variants.fp32.file = "package:digits-fp32.onnx"

[nodes.here]
zone = "FR"
device = "n100"
cpu_share = 1.0
memory = "8 GiB"

[footprint]
years = 1.0
draws = 200
inferences_per_day = 1000.0
ledger = ["ledger.jsonl"]
"""


def lines(ledger: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ledger.read_text("utf-8").splitlines()]


def refused(done: Any, code: int, *said: str) -> None:
    """The exit code, nothing on standard output, one sentence on standard error that holds these words."""
    assert (done.code, done.out) == (code, ""), done
    assert len(done.err.strip().splitlines()) == 1, done.err
    for words in said:
        assert words in done.err, done.err


def test_streams_and_exit_code_are_the_commands_own(cli: Any, tmp_path: Path) -> None:
    done = cli("measure", "--phase", "training", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.code, done.out) == (7, "out\n")
    assert done.err.startswith("err\n")
    assert "sh, training: failed" in done.err
    (first, last) = lines(tmp_path / ".gramwise" / "ledger.jsonl")
    assert (first["status"], last["status"]) == ("unknown", "failed")
    assert first["id"] == last["id"]
    assert last["energy"] is None or last["energy"]["value"] > 0.0  # unknown watts are not zero joules


def test_json_goes_to_standard_error_in_one_line(cli: Any) -> None:
    command = (sys.executable, "-c", BURN.format(0.3) + "print('done')")
    done = cli(
        "measure", "--phase", "data", "--zone", "FR", *WATTS, "--name", "burn", "--json", "--", *command
    )
    assert (done.code, done.out) == (0, "done\n")
    document = json.loads(done.err)
    assert (document["schema"], document["name"], document["phase"]) == ("gramwise.phase/1", "burn", "data")
    assert document["cpu_s"] == pytest.approx(0.3, abs=0.2)
    assert document["carbon"]["low"] < document["carbon"]["value"] < document["carbon"]["high"]
    assert document["energy"]["unit"] == "J"


def test_a_command_that_is_killed_is_told_as_shells_do(cli: Any, tmp_path: Path) -> None:
    done = cli("measure", "--phase", "tuning", "--ledger", "l.jsonl", "--", "sh", "-c", "kill -9 $$")
    assert done.code == 128 + signal.SIGKILL
    assert lines(tmp_path / "l.jsonl")[-1]["status"] == "killed"


def test_a_signal_to_the_measurer_reaches_the_command(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = start(
        "measure", "--phase", "training", "--ledger", "l.jsonl", "--", "sh", "-c", "echo on; exec sleep 60"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert lines(tmp_path / "l.jsonl")[-1]["status"] == "killed"


def test_a_measurer_that_is_killed_leaves_a_run_that_the_bill_tells_of(
    cli: Any, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    ask = ("measure", "--phase", "training", "--ledger", "ledger.jsonl", "--zone", "FR", *WATTS)
    burn = (sys.executable, "-c", BURN.format(0.3))
    assert cli(*ask, "--name", "whole", "--", *burn).code == 0
    killed = start(*ask, "--name", "cut", "--", "sh", "-c", "echo $$; exec sleep 60")
    assert killed.stdout is not None
    command = int(killed.stdout.readline())
    os.kill(killed.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):  # the command may outlive who measured it
        os.kill(command, signal.SIGKILL)
    killed.communicate(timeout=20)
    assert lines(tmp_path / "ledger.jsonl")[-1]["status"] == "unknown"
    (tmp_path / "life.toml").write_text(LIFE, "utf-8")
    done = cli("footprint", "life.toml", "--json", "--out", "runs")
    assert done.code == 0, done.err
    (measured,) = [
        item
        for item in done.document["items"]
        if item["name"].startswith("whole") and not item["name"].endswith(", idle")
    ]
    assert measured["phase"] == "training"
    assert measured["carbon"]["value"] > 0.0
    assert any("cut" in line for line in done.document["not_included"])
    assert str(tmp_path) not in done.out
    held = cli("receipt", "verify", done.document["run_dir"])
    assert (held.code, held.out) == (0, "The receipt holds.\n")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (
            ("--phase", "trainin"),
            2,
            "phase: 'trainin' is no phase that can be measured. Did you mean 'training'?",
        ),
        ((), 2, "Missing option '--phase'"),
        (("--phase", "data", "--zone", "XX"), 2, "there is no zone 'XX'"),
        (("--phase", "data", "--pue", "0.5"), 2, "pue: "),
        (("--phase", "data", "--busy-w", "-5"), 2, "busy_w: "),
        (("--phase", "data", "--reserved", "0"), 2, "reserved_frac: 0.0"),
        (("--phase", "data", "--device", "pi44"), 2, "Did you mean 'pi4'?"),
        (("--phase", "data", "--watch-idle", "-1"), 2, "watch_idle_s: "),
        (("--phase", "data", "--tracking", "thread"), 2, "--tracking"),
        (("--phase", "data", "--ledger", "taken/l.jsonl"), 3, "l.jsonl: the ledger cannot be opened"),
    ],
)
def test_a_wrong_option_is_told_and_nothing_is_run(
    cli: Any, tmp_path: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "taken").write_text("", "utf-8")
    refused(cli("measure", *options, "--", "sh", "-c", "touch ran"), code, said)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / ".gramwise").exists()


def test_a_missing_command_is_told(cli: Any) -> None:
    refused(cli("measure", "--phase", "data", "--", "nosuchcommand"), 2, "'nosuchcommand'", "permissions")
    refused(cli("measure", "--phase", "data"), 2, "COMMAND")
