"""Rows for the tests of the ledger, and a PostgreSQL server of their own where its programs are installed."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("sqlalchemy", reason="the ledger needs the extra 'serve'")

from gramwise.gateway.ledger import Row

HOUR_S = 1_790_000_000 // 3600 * 3600
"""Start of some hour in 2026."""
KINDS = ("sqlite", "postgresql")
_numbers = count()


def row(number: int, **changes: Any) -> Row:
    """A completed request of the node ``a``, with figures that depend on its number."""
    joules = 0.1 + 0.001 * number
    usual: dict[str, Any] = {
        "request_id": f"r{number:08d}",
        "arrival_s": HOUR_S + 0.25 * number,
        "status": "completed",
        "tenant": "acme",
        "model": "digits",
        "variant": "int8",
        "node": "a",
        "zone": "FR",
        "policy": "grams",
        "protocol": "http",
        "attempts": 1,
        "http_status": 200,
        "latency_s": 0.010 + 0.0001 * (number % 50),
        "energy_j": joules,
        "energy_low_j": 0.8 * joules,
        "energy_high_j": 1.2 * joules,
        "energy_method": "modelled",
        "carbon_g": joules * (40.0 * 1.5 / 3.6e6),
        "carbon_low_g": 0.8 * joules * (40.0 * 1.5 / 3.6e6),
        "carbon_high_g": 1.2 * joules * (40.0 * 1.5 / 3.6e6),
        "signal": "average",
        "basis": "lifecycle",
        "intensity_g_per_kwh": 40.0,
        "pue": 1.5,
    }
    return Row(**{**usual, **changes})


def refused(number: int, **changes: Any) -> Row:
    """A request that no node had: no latency, no joules, no grams."""
    plain = {"request_id": f"r{number:08d}", "arrival_s": HOUR_S + 0.25 * number, "status": "refused"}
    return Row(**{**plain, "tenant": "acme", "model": "digits", "http_status": 429, **changes})


def database_url(kind: str, folder: Path) -> str:
    """A database that nobody has used yet; skips where there is no PostgreSQL."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/ledger-{next(_numbers)}.db"
    sockets = _server()
    name = f"t{next(_numbers)}"
    _psql(sockets, f"CREATE SCHEMA {name}")
    return server_url(sockets, name)


def server_url(sockets: Path, schema: str) -> str:
    """The test server, seen through a folder with its socket, one schema of it."""
    options = quote(f"-csearch_path={schema}")
    return f"postgresql://postgres@/postgres?host={sockets}&options={options}"


def sockets() -> Path:
    """Folder of the test server's socket."""
    return _server()


def _psql(sockets: Path, statement: str) -> None:
    import psycopg

    with psycopg.connect(host=str(sockets), user="postgres", dbname="postgres", autocommit=True) as link:
        link.execute(statement)  # type: ignore[call-overload, unused-ignore]


def _programs() -> Iterator[Path]:
    found = shutil.which("initdb")
    if found:
        yield Path(found).parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@functools.cache
def _server() -> Path:
    pytest.importorskip("psycopg", reason="PostgreSQL needs the extra 'postgres'")
    programs = next((folder for folder in _programs() if (folder / "initdb").exists()), None)
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    home = Path(tempfile.mkdtemp(prefix="gramwise-pg-"))
    home.chmod(0o777)
    as_other: dict[str, Any] = {}
    if os.getuid() == 0:
        # The server refuses to run as root.
        as_other = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    data = home / "data"
    run = functools.partial(subprocess.run, check=True, capture_output=True, cwd=home, **as_other)
    run(
        [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-N",
            "--encoding=UTF8",
            "--locale=C",
        ]
    )
    settings = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off"
    run([programs / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", settings, "start"])

    def stop() -> None:
        run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"])
        shutil.rmtree(home)

    atexit.register(stop)
    return home
