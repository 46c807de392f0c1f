"""The gateway over HTTP: where requests go, what answers tell, what the ledger keeps, what bad input gets."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")
pytest.importorskip("prometheus_client", reason="the gateway needs the serve extra")

from front_rig import SIZE, FakeNode, as_json, ask, binary, rows_of, run, running

J_PER_KWH = 3.6e6


def test_the_cleanest_node_answers_and_its_cost_is_told_and_written(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(2.0), "dirty": FakeNode(1.9)}
        async with running(tmp_path, nodes) as (gateway, client, _):
            status, head, rest, _ = await ask(client, binary(3))
            assert (status, head["model_name"], head["id"]) == (200, "m", "mine")
            told = head["parameters"]
            assert (told["gramwise_node"], told["gramwise_variant"]) == ("clean", "full")
            assert told["energy_joules"] == 6.0
            assert told["carbon_grams"] == pytest.approx(6.0 * 100.0 / J_PER_KWH)
            assert told["carbon_signal"] == "average"
            assert rest == struct.pack("<6f", *range(6)), "tensors pass untouched"
            assert nodes["clean"].models == ["m.full"]
            assert not nodes["dirty"].asked
            (row,) = rows_of(gateway)
            assert (row["status"], row["node"], row["count"], row["http_status"]) == (
                "completed",
                "clean",
                3,
                200,
            )
            assert (row["energy_j"], row["carbon_g"]) == (6.0, told["carbon_grams"])
            assert row["intensity_g_per_kwh"] == 100.0
            assert row["request_id"] != "mine", "a client cannot choose what the ledger counts by"

    run(test)


def test_json_stays_json_and_a_reply_without_joules_tells_none(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path, {"one": FakeNode(None)}) as (gateway, client, _):
            status, head, rest, headers = await ask(client, as_json(2))
            assert (status, rest) == (200, b"")
            assert SIZE not in headers
            assert head["outputs"][0]["data"] == [0.0, 1.0, 2.0, 3.0]
            assert head["parameters"] == {"gramwise_node": "one", "gramwise_variant": "full"}
            (row,) = rows_of(gateway)
            assert row["energy_j"] is None
            assert row["carbon_g"] is None

    run(test)


def test_what_a_request_asks_of_the_gateway(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (_, client, _where):
            await ask(client, binary(deadline_ms=900))
            left_ms = node.asked[-1]["parameters"]["deadline_ms"]
            assert 0 < left_ms < 900, "the node is told what is left"
            status, head, _, _ = await ask(client, as_json(accuracy_floor_frac=0.85))
            assert (status, node.models[-1]) == (200, "m.half"), (
                "it takes half the joules and is accurate enough"
            )
            assert head["parameters"]["gramwise_variant"] == "half"
            status, head, _, _ = await ask(client, as_json(accuracy_floor_frac=0.999))
            assert status == 400
            assert "0.999" in head["error"]
            status, head, _, _ = await ask(client, as_json(defer_until_unix_s=9e9))
            assert (status, "defer_until_unix_s" in head["error"]) == (400, True)

    run(test)


def test_a_large_body_streams_with_its_deadline_said_anew(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (_, client, _where):
            headers, body = binary(200_000, deadline_ms=1900)
            reply = await client.send(b"POST", b"/v2/models/m/infer", headers, body, timeout_s=10.0)
            answer = await reply.body.read(1 << 26)
            tensors = body[int(headers[0][1]) :]
            assert reply.status == 200
            assert answer.endswith(tensors)
            assert node.asked[-1]["parameters"]["deadline_ms"] < 1900

    run(test)


BAD = {
    "no JSON": ([], b"{"),
    "no object": ([], b"[]"),
    "no inputs": ([], b'{"inputs":[]}'),
    "a length that lies": ([(SIZE, b"10000")], b'{"inputs":[]}'),
    "a length that is none": ([(SIZE, b"-1")], b"{}"),
    "fewer bytes than told": (*binary()[:1], binary()[1][:-1]),
    "more bytes than told": (*binary()[:1], binary()[1] + b"x"),
    "a shape that overflows": (
        [],
        b'{"inputs":[{"name":"x","datatype":"FP32","shape":[4611686018427387904,4],"data":[1]}]}',
    ),
    "a negative size": ([], b'{"inputs":[{"name":"x","datatype":"FP32","shape":[-1],"data":[1]}]}'),
    "an unknown datatype": ([], b'{"inputs":[{"name":"x","datatype":"FP33","shape":[1],"data":[1]}]}'),
    "a deadline that is no number": as_json(deadline_ms="NaN"),
    "a deadline of yesterday": as_json(deadline_ms=-1),
    "a floor beyond one": as_json(accuracy_floor_frac=2),
    "a parameter that is a list": as_json(deadline_ms=[1]),
    "a compressed body": ([(b"content-encoding", b"gzip")], b"x"),
}


def test_bad_bodies_get_a_sentence_and_reach_no_node(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (gateway, client, _):
            for what, (headers, body) in BAD.items():
                status, head, _, _ = await ask(client, (list(headers), body))
                assert 400 <= status < 500, what
                assert set(head) == {"error"}, what
                assert head["error"], what
            for path, status in (("/v2/models/nobody/infer", 404), ("/v2/models/m/versions/7/infer", 404)):
                assert (await ask(client, as_json(), path))[0] == status
            assert not node.asked
            assert (await ask(client, as_json()))[0] == 200, "and goes on"
            assert [row["status"] for row in rows_of(gateway)] == ["completed"]

    run(test)


@pytest.mark.parametrize(
    "mode", ["garbage", "cut", "status 502", "status 404", "status 429", "status 503 retry"]
)
def test_a_node_that_cannot_serve_costs_one_try_elsewhere(mode: str, tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(), "dirty": FakeNode()}
        async with running(tmp_path, nodes) as (gateway, client, _):
            nodes["clean"].mode = mode
            status, head, _, _ = await ask(client, binary())
            assert (status, head["parameters"]["gramwise_node"]) == (200, "dirty")
            (row,) = rows_of(gateway)
            assert (row["status"], row["attempts"], row["node"]) == ("completed", 2, "dirty")

    run(test)


def test_a_refusal_of_the_request_itself_is_passed_on(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(), "dirty": FakeNode()}
        async with running(tmp_path, nodes) as (gateway, client, _):
            nodes["clean"].mode = "status 400"
            status, head, _, _ = await ask(client, as_json())
            assert (status, head) == (400, {"error": "the node says so"})
            assert not nodes["dirty"].asked
            (row,) = rows_of(gateway)
            assert (row["status"], row["http_status"], row["node"]) == ("refused", 400, "clean")
            assert row["energy_j"] is None

    run(test)


def test_a_deadline_that_passes_ends_the_wait(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (gateway, client, _):
            node.busy_s = 5.0
            status, head, _, _ = await ask(client, binary(deadline_ms=200))
            assert (status, "deadline" in head["error"]) == (504, True)
            assert [row["status"] for row in rows_of(gateway)] == ["failed"]

    run(test)


def test_requests_under_way_end_when_the_gateway_does(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (gateway, client, _):
            node.busy_s = 0.5
            under_way = asyncio.create_task(ask(client, binary()))
            while not node.asked:
                await asyncio.sleep(0.01)
            await gateway.end()
            assert (await under_way)[0] == 200

    run(test)


def test_metadata_health_and_index(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path, {"one": FakeNode()}) as (_, client, _where):

            async def get(path: bytes) -> tuple[int, bytes]:
                reply = await client.send(b"GET", path, timeout_s=5.0)
                return reply.status, await reply.body.read(10_000)

            assert await get(b"/v2/health/ready") == (200, b'{"ready":true,"live":true}')
            assert (await get(b"/v2"))[1].startswith(b'{"name":"gramwise"')
            assert b'"shape":[-1,2]' in (await get(b"/v2/models/m"))[1]
            assert (await get(b"/v2/models/m/ready"))[0] == 200
            assert (await get(b"/v2/models/nobody"))[0] == 404
            assert (await get(b"/v2/fleet"))[0] == 404

    run(test)
