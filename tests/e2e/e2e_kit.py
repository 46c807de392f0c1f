"""Running the command line as a user does: what fixtures of this folder and module-wide ones share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"


def environment(**extra: str) -> dict[str, str]:
    """This process's, without settings of gramwise's own, and wide enough that no table wraps."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("GRAMWISE_")}
    return {**plain, "PYTHONPATH": str(SOURCE), "COLUMNS": "160", **extra}


@dataclass(frozen=True)
class Done:
    """What a command left: its code, its two streams and, with --json, the document."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as one JSON document and nothing else."""
        return json.loads(self.out)


Cli = Callable[..., Done]


def run(*arguments: str | Path, cwd: Path, env: dict[str, str] | None = None) -> Done:
    """``gramwise ARGUMENTS`` in a folder; a traceback fails the test."""
    done = subprocess.run(
        [sys.executable, "-m", "gramwise", *map(str, arguments)],
        cwd=cwd,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)
