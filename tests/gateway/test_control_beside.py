"""The control API of a whole gateway with real nodes: seen, joined, guided, let go; and a budget that outlives it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the gateway needs the serve extra")
pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")

import httpx2
from node_rig import RunningNode

from gramwise.core.clock import SystemClock
from gramwise.gateway.access.keys import KeyFile, Limits
from gramwise.gateway.control.beside import Wanted, beside
from gramwise.gateway.control.shelf import Shelf
from gramwise.gateway.front.gateway import Gateway
from gramwise.gateway.front.settings import Settings

ROOT = Path(__file__).parents[2]
SCENARIO = ROOT / "examples" / "three-sites.toml"
MODELS = ROOT / "src" / "gramwise" / "data" / "models"
NODE = {"zone": "ES", "device": "pi4", "cpu_share": 0.5, "memory_bytes": 2**29}
TOKEN = "t0ken-of-the-node-that-joins"
PLAN = f"p{'0' * 24}"

Talk = Callable[[httpx2.AsyncClient], Awaitable[None]]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for variant in ("fp32", "int8", "small"):
        (folder / f"digits.{variant}" / "1").mkdir(parents=True)
        shutil.copy(MODELS / f"digits-{variant}.onnx", folder / f"digits.{variant}" / "1" / "model.onnx")
    return folder


def address(node: RunningNode) -> str:
    host, port = node.at["http"]
    return f"{host}:{port}"


def served(folder: Path, first: str, key: str, talk: Talk) -> None:
    """A gateway over one node until ``talk`` is over; the scenario's other nodes are where nobody answers."""

    async def run() -> None:
        addresses = {"essen": first, "utrecht": "127.0.0.1:9", "sevilla": "127.0.0.1:9"}
        settings = Settings.of(
            scenario=SCENARIO,
            overrides={f"nodes.{name}.address": at for name, at in addresses.items()},
            listen="127.0.0.1:0",
            keys=folder / "keys.json",
            state=folder / "state",
            profile_runs=1,
        )
        gateway = Gateway(settings)
        listening = await gateway.start(beside(Wanted(zone="FR")))
        try:
            url, who = f"http://127.0.0.1:{listening.http[1]}", {"Authorization": f"Bearer {key}"}
            async with httpx2.AsyncClient(base_url=url, headers=who, timeout=60.0) as client:
                await talk(client)
        finally:
            await gateway.end()

    asyncio.run(run())


async def infer(client: httpx2.AsyncClient) -> httpx2.Response:
    data = [0.0] * 96 * 96
    tensor = {"name": "input", "shape": [1, 1, 96, 96], "datatype": "FP32", "data": data}
    return await client.post("/v2/models/digits/infer", json={"inputs": [tensor]})


async def node_of(client: httpx2.AsyncClient) -> str:
    answer = await infer(client)
    assert answer.status_code == 200, answer.text
    node: str = answer.json()["parameters"]["gramwise_node"]
    return node


async def states(client: httpx2.AsyncClient) -> dict[str, Any]:
    return {node["name"]: node for node in (await client.get("/v2/fleet")).json()["nodes"]}


def test_nodes_are_seen_joined_guided_by_a_plan_and_let_go_and_no_secret_is_left(
    repository: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys, least = KeyFile(tmp_path / "keys.json"), Limits(carbon_g_per_day=1e-9)
    _, key = keys.add("acme", ["infer", "read", "change"], now_s=time.time())
    _, poor = keys.add("poor", ["infer"], now_s=time.time(), limits=least)
    with (
        RunningNode(repository, tmp_path / "essen.log", scenario=str(SCENARIO), as_node="essen") as essen,
        RunningNode(repository, tmp_path / "late.log", scenario=str(SCENARIO), as_node="sevilla") as late,
    ):

        async def talk(client: httpx2.AsyncClient) -> None:
            before = await states(client)
            assert {name: node["state"] for name, node in before.items()} == {
                "essen": "ready",
                "utrecht": "lost",
                "sevilla": "lost",
            }
            assert before["essen"]["models"] == ["digits/fp32", "digits/int8", "digits/small"]
            assert before["essen"]["intensity_g_per_kwh"] > 0
            assert before["utrecht"]["why"]
            assert await node_of(client) == "essen"
            wanted = {"name": "late", "address": f"http://{address(late)}", "token": TOKEN, **NODE}
            joined = await client.post("/v2/fleet/nodes", json=wanted)
            assert (joined.status_code, joined.json()["node"]["state"]) == (201, "ready")
            assert await node_of(client) == "late", "the cleaner grid of the two"
            for change, status in (
                ({"address": "http://127.0.0.1:9"}, 502),
                ({"address": "http://10.0.0.1:8000"}, 400),
                ({"device": "nothing"}, 400),
            ):
                refused = await client.post("/v2/fleet/nodes", json={**wanted, "name": "more", **change})
                assert refused.status_code == status, refused.text
            assert set(await states(client)) == {"essen", "utrecht", "sevilla", "late"}
            shelf = Shelf(tmp_path / "state" / "plans", SystemClock())
            shelf.put("acme", PLAN, {"http": 200, "shares": {"": {"Essen": 1.0}}}, b"{}")
            applied = await client.post(f"/v2/plans/{PLAN}/apply")
            assert applied.json()["shares"] == {"": {"essen": 1.0}}
            assert await node_of(client) == "essen"
            assert (await client.delete("/v2/fleet/nodes/late?drain_s=1")).status_code == 200
            assert "late" not in await states(client)
            told = (await client.get("/v2/ledger/by/node")).json()
            counts = {group["node"]: group["completed"] for group in told["groups"]}
            assert counts == {"essen": 2, "late": 1}
            assert told["energy_j"]["value"] > told["energy_j"]["low"] > 0
            assert (await client.get("/emissions/bylocation?location=DE")).json()[0]["provider"] == "annual"
            assert b"gramwise_model_requests_total" in (await client.get("/metrics")).content

            client.headers["Authorization"] = f"Bearer {poor}"
            assert (await infer(client)).status_code == 200
            assert (await infer(client)).status_code == 429

        async def later(client: httpx2.AsyncClient) -> None:
            refused = await infer(client)
            assert refused.status_code == 429, "a restart forgives nothing"
            assert "1e-09 g of CO2e" in refused.json()["error"]
            assert int(refused.headers["retry-after"]) > 0

        served(tmp_path, address(essen), key, talk)
        served(tmp_path, address(essen), poor, later)
    written = [caplog.text.encode(), *(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())]
    assert len(written) > 5, "keys, logs, ledger, spool, plan"
    assert not any(secret.encode() in text for text in written for secret in (key.split("_")[2], TOKEN))
