"""The real command line in a process of its own, and one bench that several tests look at."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e_kit import HERE, Cli, Done, environment, run


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Runs ``gramwise ARGUMENTS`` in a fresh folder."""

    def cli(*arguments: str | Path, cwd: Path = tmp_path, **env: str) -> Done:
        return run(*arguments, cwd=cwd, env=env)

    return cli


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ``gramwise ARGUMENTS`` in a fresh folder and session, for a test to interfere with; killed afterwards."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "gramwise", *map(str, arguments)],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell that runs the tests in the background makes them ignore Ctrl-C, and so their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:  # the test failed: what it started must not run on beside the others
            process.kill()
            process.communicate()


@dataclass(frozen=True)
class Bench:
    """A finished bench: what it printed and where its run directory is."""

    done: Done
    run_dir: Path


@pytest.fixture(scope="session")
def bench(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Three policies, twenty requests each of about 20 ms of CPU, on real capped processes."""
    folder = tmp_path_factory.mktemp("bench")
    for file in furnished.iterdir():
        shutil.copy(file, folder)
    text = (HERE / "tiny.toml").read_text("utf-8").replace("count = 40", "count = 2000")
    assert "count = 2000" in text
    (folder / "tiny.toml").write_text(text, "utf-8")
    done = run("bench", "tiny.toml", "--json", "--out", "runs", cwd=folder)
    assert done.code == 0, done.err
    return Bench(done, folder / done.document["run_dir"])
