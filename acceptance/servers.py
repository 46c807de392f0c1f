"""Servers in processes of their own, for as long as a context lasts."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

_START_S = 60.0


class Failed(Exception):
    """A server did not start; the text is the end of its log."""


class Servers:
    """Servers that run, as a context.

    Args:
        folder: for their logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._ends = folder, ExitStack()
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def start(self, name: str, command: list[str], limit_s: float = _START_S) -> dict[str, Any]:
        """Start a server that prints a line of JSON when it can be asked.

        Raises:
            Failed: it ended, or said nothing in time.
        """
        log = self.folder / f"{name}.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=_surroundings())
        self._ends.callback(_end, process)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        heard, until_s = b"", time.monotonic() + limit_s
        while time.monotonic() < until_s:
            heard += process.stdout.read() or b""
            for line in heard.splitlines(keepends=True):
                if line.startswith(b"{") and line.endswith(b"\n"):
                    return {**json.loads(line), "pid": process.pid, "log": str(log)}
            if process.poll() is not None:
                break
            time.sleep(0.02)
        raise Failed(f"{name}: {log.read_text('utf-8', 'replace')[-2000:]}")


def free_port() -> int:
    """A port that was free a moment ago, for servers that cannot take one themselves."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _surroundings() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
