"""Nodes that live and do not serve a request: no time for it is tried elsewhere, tensors that cannot fit are not."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")
pytest.importorskip("prometheus_client", reason="the gateway needs the serve extra")

from front_rig import SIZE, FakeNode, as_json, ask, binary, rows_of, run, running

from gramwise.gateway.front.asked import Asked
from gramwise.gateway.front.unfit import unfit
from gramwise.gateway.oip.head import read_request_head
from gramwise.gateway.oip.metadata import ModelMetadata, TensorMetadata


@pytest.mark.parametrize("accounting", [True, False])
def test_a_node_without_time_stays_in_service_and_another_is_tried(accounting: bool, tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(), "dirty": FakeNode()}
        async with running(tmp_path, nodes, accounting=accounting, policy="grams") as (gateway, client, _):
            nodes["clean"].mode = "status 503"
            for request in (binary(9000, deadline_ms=1e6), as_json(deadline_ms=1500)):  # one streams
                status, _, _, _ = await ask(client, request)
                assert status == 200
            assert (len(nodes["clean"].asked), len(nodes["dirty"].asked)) == (2, 2)
            assert gateway.fleet.peers["clean"].up, "a deadline says nothing of a node"
            if accounting:
                seen = [(row["status"], row["attempts"], row["node"]) for row in rows_of(gateway)]
                assert seen == [("completed", 2, "dirty")] * 2
            nodes["clean"].mode = "ok"
            status, head, _, _ = await ask(client, binary(deadline_ms=1500))
            assert status == 200
            assert not accounting or head["parameters"]["gramwise_node"] == "clean"

    run(test)


def test_where_nobody_has_time_the_client_is_told_what_the_last_node_said(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(), "dirty": FakeNode()}
        async with running(tmp_path, nodes) as (gateway, client, _):
            for node in nodes.values():
                node.mode = "status 503"
            for asked in (1, 2):
                status, head, _, headers = await ask(client, binary(deadline_ms=1500))
                assert (status, head, headers[b"retry-after"]) == (503, {"error": "the node says so"}, b"1")
                assert [len(node.asked) for node in nodes.values()] == [asked, asked]
            gateway.fleet.peers["dirty"].out("for the test")
            gateway.fleet.now.world.lost("dirty")
            status, head, _, _ = await ask(client, binary(deadline_ms=1500))
            assert (status, head) == (503, {"error": "the node says so"}), "with nobody else to ask as well"
            assert gateway.fleet.peers["clean"].up
            assert {(row["status"], row["http_status"]) for row in rows_of(gateway)} == {("failed", 503)}

    run(test)


def test_no_time_left_is_not_tried_elsewhere(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(), "dirty": FakeNode()}
        async with running(tmp_path, nodes) as (_, client, _where):
            nodes["clean"].mode, nodes["clean"].busy_s = "status 503", 0.12
            status, head, _, _ = await ask(client, binary(deadline_ms=100))
            assert (status, "deadline" in head["error"]) == (504, True)
            assert not nodes["dirty"].asked

    run(test)


def asking(name: str = "x", datatype: str = "FP32", shape: tuple[int, ...] = (1, 2)) -> Any:
    cells = 1
    for size in shape:
        cells *= size
    raw = struct.pack(f"<{cells}f", *[0.0] * cells) if datatype == "FP32" else b"\0" * 8 * cells
    tensor = {
        "name": name,
        "datatype": datatype,
        "shape": shape,
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    return [(SIZE, b"%d" % len(head))], head + raw


UNFIT = {
    "input 'z' is none of this model's; it has x": asking(name="z"),
    "input 'x' has datatype INT64, and must have FP32": asking(datatype="INT64"),
    "input 'x' has shape [1, 3], and must have [-1, 2], where -1 is any size": asking(shape=(1, 3)),
    "input 'x' has shape [2], and must have [-1, 2], where -1 is any size": asking(shape=(2,)),
}


@pytest.mark.parametrize("status", [500, 501])
def test_tensors_that_cannot_fit_are_the_clients_fault_and_not_the_nodes(status: int, tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(), "dirty": FakeNode()}
        async with running(tmp_path, nodes) as (gateway, client, _):
            nodes["clean"].mode = f"status {status}"
            for sentence, request in UNFIT.items():
                assert (await ask(client, request))[:2] == (400, {"error": sentence})
            assert not nodes["dirty"].asked
            assert gateway.fleet.peers["clean"].up
            assert {(row["status"], row["http_status"]) for row in rows_of(gateway)} == {("refused", 400)}

    run(test)


def test_a_fault_of_the_node_stays_one_where_the_tensors_fit(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (_, client, _where):
            node.mode = "status 500"
            assert (await ask(client, binary()))[:2] == (500, {"error": "the node says so"})

    run(test)


def test_over_grpc_a_message_that_cannot_fit_is_the_clients_fault(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="the gateway needs the serve extra")
    from gramwise.gateway.oip.messages import message
    from gramwise.gateway.rpc import RpcFailed, RpcUpstream

    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}, grpc="127.0.0.1:0") as (_, _client, where):
            node.mode = "status 500"
            client = RpcUpstream(*where.grpc)
            request = message("ModelInferRequest")(model_name="m")
            request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
            request.raw_input_contents.append(b"\0" * 12)
            with pytest.raises(RpcFailed, match=r"must have \[-1, 2\]") as failed:
                await client.call("ModelInfer", request.SerializeToString(), timeout_s=5.0)
            assert failed.value.code == 3
            await client.close()

    run(test)


def test_what_is_not_known_of_a_model_is_no_fault_of_the_client() -> None:
    _, json = as_json()
    asked = Asked(head=read_request_head(json, None), json=json)
    assert unfit(asked, None) == ""
    assert unfit(asked, ModelMetadata("m")) == ""
    assert unfit(asked, ModelMetadata("m", inputs=[TensorMetadata("x", "FP32", [])])) == ""


def test_a_message_that_is_too_long_for_a_node_says_nothing_of_the_node(tmp_path: Path) -> None:
    """gRPC refuses it with the status of a full queue: any client could put every node out with it."""
    from gramwise.gateway.front.executor import Refused
    from gramwise.gateway.rpc import RpcFailed

    async def test() -> None:
        async with running(tmp_path, {"one": FakeNode()}) as (gateway, _, _where):
            peer, refusal = gateway.fleet.peers["one"], gateway.fleet.executor._rpc_refusal
            asked = Asked(message=b"")
            too_long = RpcFailed(8, "SERVER: Received message larger than max (100 vs. 64)")
            told = refusal(peer, "m.full", too_long, None, asked)
            assert isinstance(told, Refused)
            assert (told.status, peer.up) == (413, True)
            assert not isinstance(refusal(peer, "m.full", RpcFailed(8, "queue full"), None, asked), Refused)
            assert not peer.up

    run(test)
