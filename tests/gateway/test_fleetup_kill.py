"""A fleet of real processes on one machine: started by one call, killed one by one, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("fastapi", reason="the gateway needs the serve extra")
pytest.importorskip("grpc", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")

from front_rig import SIZE

from gramwise.core.errors import ConfigError
from gramwise.gateway.fleetup import fleet_up
from gramwise.gateway.front.settings import Settings
from gramwise.gateway.oip.tensors import write_request
from gramwise.gateway.web.client import Upstream

SCENARIO = """
schema = 1
name = "three"
baseline_node = "essen"
[models.digits]
reference = "small"
[models.digits.variants.small]
file = "package:digits-small.onnx"
[goals]
deadline_s = 2.0
"""
NODE = """
[nodes.{name}]
device = "pi4"
zone = "{zone}"
cpu_share = 0.5
memory = "512 MiB"
speed_factor = 1.0
{more}
"""
PLACES = {"essen": "DE", "utrecht": "NL", "sevilla": "ES"}

_CHILD = """
import json, sys
from pathlib import Path
from gramwise.gateway import loop
from gramwise.gateway.fleetup import fleet_up
from gramwise.gateway.front.settings import Settings
told = json.loads(sys.argv[1])
auth = told.pop("auth")
loop.run(fleet_up(Settings.of(**told), lambda said: print(json.dumps(said), flush=True), auth=auth))
"""


def started(
    folder: Path, names: Sequence[str], **settings: Any
) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """A fleet in a process of its own, once it is ready."""
    file = folder / "three.toml"
    link = "link = { rtt_s = 0.02, bytes_per_s = 1_000_000.0 }"
    rows = (NODE.format(name=n, zone=PLACES[n], more=link if n == "essen" else "") for n in names)
    file.write_text(SCENARIO + "".join(rows), "utf-8")
    told = {"scenario": str(file), "listen": "127.0.0.1:0", "profile_runs": 2, "auth": False, **settings}
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, json.dumps(told)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait(10)
        raise AssertionError(process.stderr.read() if process.stderr else "")
    return process, json.loads(line)


async def load(client: Upstream, stop: asyncio.Event, answers: list[tuple[int, str]]) -> None:
    """One connection that asks as soon as it was answered, with two seconds for each."""
    images = np.zeros((4, 1, 96, 96), np.float32)
    head, tail = write_request({"input": images}, parameters={"deadline_ms": 2000})
    body, headers = b"".join((head, *tail)), [(SIZE, b"%d" % len(head))]
    while not stop.is_set():
        reply = await client.send(b"POST", b"/v2/models/digits/infer", headers, body, timeout_s=10.0)
        data = await reply.body.read(1 << 20)
        size = int(reply.headers.get(SIZE, len(data)))
        told = json.loads(data[:size])
        answers.append((reply.status, told.get("parameters", {}).get("gramwise_node", told.get("error"))))


def test_a_node_that_is_killed_under_load_costs_no_request(tmp_path: Path) -> None:
    process, said = started(tmp_path, list(PLACES))

    async def test() -> None:
        host, port = said["http"].split(":")
        client, stop, answers = Upstream(host, int(port)), asyncio.Event(), list[tuple[int, str]]()
        asking = [asyncio.create_task(load(client, stop, answers)) for _ in range(6)]
        while len(answers) < 60:
            await asyncio.sleep(0.02)
        victim = answers[-1][1]
        os.kill(next(node["pid"] for node in said["nodes"] if node["name"] == victim), signal.SIGKILL)
        before = len(answers)
        while len(answers) < before + 120:
            await asyncio.sleep(0.02)
        stop.set()
        await asyncio.gather(*asking)
        assert {status for status, _ in answers} == {200}, [a for a in answers if a[0] != 200]
        after = {node for _, node in answers[before + 12 :]}
        assert victim not in after
        assert after <= set(PLACES)
        reply = await client.send(b"GET", b"/v2/ledger/summary", timeout_s=10.0)
        summary = json.loads(await reply.body.read(1 << 20))
        assert (summary["completed"], summary["failed"]) == (len(answers), 0)
        assert summary["retried"] >= 1
        assert summary["joules"] > 0
        await client.close()

    try:
        assert set(said) >= {"http", "grpc", "nodes", "token"}
        assert said["token"] is None
        assert {node["name"]: node["zone"] for node in said["nodes"]} == PLACES
        asyncio.run(test())
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert not [f for f in tmp_path.iterdir() if f.name.startswith("gramwise-fleet-")], (
        "nothing is left behind"
    )
    for node in said["nodes"]:
        assert not Path(f"/proc/{node['pid']}").exists()


def test_nodes_end_with_whoever_started_them(tmp_path: Path) -> None:
    process, said = started(tmp_path, ["essen"], auth=True)
    assert said["token"].startswith("gw_")

    async def test() -> tuple[int, int]:
        host, port = said["http"].split(":")
        client = Upstream(host, int(port))
        stranger = await client.send(b"GET", b"/v2/models/digits", timeout_s=5.0)
        key = [(b"authorization", f"Bearer {said['token']}".encode())]
        friend = await client.send(b"GET", b"/v2/models/digits", key, timeout_s=5.0)
        await client.close()
        return stranger.status, friend.status

    assert asyncio.run(test()) == (401, 200)
    process.kill()
    process.communicate()

    async def gone() -> None:
        while any(Path(f"/proc/{node['pid']}/fd/0").exists() for node in said["nodes"]):
            await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(gone(), 15.0))


def test_a_fleet_without_keys_is_for_this_machine_only(tmp_path: Path) -> None:
    file = tmp_path / "three.toml"
    file.write_text(SCENARIO + NODE.format(name="essen", zone="DE", more=""), "utf-8")
    settings = Settings.of(scenario=file, listen="0.0.0.0:0")
    with pytest.raises(ConfigError, match="--no-auth"):
        asyncio.run(fleet_up(settings, lambda said: None, auth=False))
