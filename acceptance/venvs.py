"""Virtual environments for foreign clients and servers, one each: they do not agree on versions, nor in one process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "acceptance"
REQUIREMENTS = HERE / "requirements"


class Unavailable(Exception):
    """An environment cannot be made here; the sentence says why."""


def names() -> list[str]:
    """Environments that there is a list of versions for."""
    return sorted(file.stem for file in REQUIREMENTS.glob("*.txt"))


def python_of(name: str, *, limit_s: float = 600.0) -> Path:
    """The interpreter of an environment, which is made where it is missing or its versions have changed.

    Args:
        name: of a file in ``requirements/``; every version in it is pinned.
        limit_s: how long installing may take.

    Raises:
        Unavailable: it cannot be installed, or not in time; nothing half made is left behind for the next run.
    """
    file, folder = REQUIREMENTS / f"{name}.txt", BUILD / name
    wanted = hashlib.sha256(file.read_bytes() + sys.version.encode()).hexdigest()
    python, stamp = folder / "bin" / "python", folder / ".installed"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    stamp.unlink(missing_ok=True)
    venv.create(folder, with_pip=True, clear=True)
    started_s = time.monotonic()
    options = "--quiet --disable-pip-version-check --retries 1 --no-deps"
    command: list[str | Path] = [python, "-m", "pip", "install", *options.split(), "-r", file]
    try:
        done = subprocess.run(
            command, timeout=limit_s, capture_output=True, text=True, env=_plain(), check=False
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"installing {name} took more than {limit_s:g} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise Unavailable(f"{name} cannot be installed: {last[:200]}")
    print(f"{name}: installed in {time.monotonic() - started_s:.0f} s", file=sys.stderr)
    stamp.write_text(wanted)
    return python


def _plain() -> dict[str, str]:
    """This process's surroundings without our own packages and constraints, which are not those of others."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PIP_CONSTRAINT")}
