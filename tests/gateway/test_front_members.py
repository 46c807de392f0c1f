"""Nodes that come, go and speak otherwise: out at once, back after a while, reloaded, recoded; and the gRPC face."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")
pytest.importorskip("prometheus_client", reason="the gateway needs the serve extra")

from front_rig import SIZE, FakeNode, as_json, ask, binary, rows_of, run, running, scenario_text

from gramwise.core.decision import PlanTable, Snapshot, columns
from gramwise.core.errors import ConfigError
from gramwise.core.machines import Device, Node
from gramwise.gateway.front.busyworld import BusyWorld, Drift
from gramwise.gateway.front.settings import Settings
from gramwise.gateway.web.client import Upstream
from gramwise.runtime.world import Grid, World


async def until(true: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Wait for something to come about."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + limit_s
    while not true():
        assert loop.time() < end_s, "it did not come about"
        await asyncio.sleep(0.01)


def test_a_node_that_dies_is_out_at_once_and_back_when_it_is(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(), "dirty": FakeNode()}
        async with running(tmp_path, nodes) as (gateway, client, _):
            port = int(nodes["clean"].address.rpartition(":")[2])
            await nodes["clean"].stop()
            for _ in range(5):
                status, head, _, _ = await ask(client, binary())
                assert (status, head["parameters"]["gramwise_node"]) == (200, "dirty")
            assert not gateway.fleet.peers["clean"].up
            await nodes["clean"].start(port)
            await until(lambda: gateway.fleet.peers["clean"].up)
            _, head, _, _ = await ask(client, binary())
            assert head["parameters"]["gramwise_node"] == "clean"
            assert [row["status"] for row in rows_of(gateway)] == ["completed"] * 6

    run(test)


def test_a_node_that_hangs_is_found_out_and_its_requests_go_elsewhere(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"clean": FakeNode(), "dirty": FakeNode()}
        async with running(tmp_path, nodes) as (_, client, _where):
            nodes["clean"].busy_s = 60.0
            nodes["clean"].mode = "not ready"
            asked = asyncio.create_task(ask(client, binary()))
            status, head, _, _ = await asked
            assert (status, head["parameters"]["gramwise_node"]) == (200, "dirty")

    run(test)


def test_without_any_node_requests_are_told_to_come_again(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"only": node}) as (gateway, client, _):
            node.mode = "not ready"
            await until(lambda: not gateway.fleet.peers["only"].up)
            status, head, _, headers = await ask(client, as_json())
            assert (status, headers[b"retry-after"]) == (503, b"1")
            assert "127.0.0.1" not in head["error"], "no word of the machines behind"
            reply = await client.send(b"GET", b"/v2/health/ready", timeout_s=5.0)
            assert reply.status == 503
            assert [row["status"] for row in rows_of(gateway)] == ["refused"]

    run(test)


def test_a_scenario_is_read_anew_without_losing_a_request(tmp_path: Path) -> None:
    async def test() -> None:
        old, new = FakeNode(), FakeNode()
        await new.start()
        async with running(tmp_path, {"dirty": old}) as (gateway, client, _):
            old.busy_s = 0.3
            under_way = asyncio.create_task(ask(client, binary()))
            await until(lambda: bool(old.asked))
            file = tmp_path / "scenario.toml"
            file.write_text(scenario_text({"clean": new.address, "more": old.address}), "utf-8")
            await gateway.reload()
            status, head, _, _ = await ask(client, binary())
            assert (status, head["parameters"]["gramwise_node"]) == (200, "clean")
            status, head, _, _ = await under_way
            assert (status, head["parameters"]["gramwise_node"]) == (200, "dirty")
            file.write_text("schema = 1\nname = 'broken", "utf-8")
            await gateway.reload()
            assert (await ask(client, binary()))[0] == 200, "what was in force stays so"
        await new.stop()

    run(test)


def test_a_new_world_knows_what_is_under_way_at_nodes_that_stay(tmp_path: Path) -> None:
    async def test() -> None:
        stays, goes, comes = FakeNode(), FakeNode(), FakeNode()
        await comes.start()
        async with running(tmp_path, {"goes": goes, "stays": stays}, poll_s=5.0) as (gateway, client, _):
            for node in (goes, stays):
                node.busy_s = 0.6
            first = asyncio.create_task(ask(client, binary()))
            await until(lambda: bool(goes.asked))
            gateway.fleet.peers["goes"].out("for the test")
            gateway.fleet.now.world.lost("goes")
            second = asyncio.create_task(ask(client, binary()))
            await until(lambda: bool(stays.asked))
            before_s = gateway.fleet.now.world.snapshot(gateway.clock.now_s()).mean_s.item(1)
            file = tmp_path / "scenario.toml"
            file.write_text(scenario_text({"comes": comes.address, "stays": stays.address}), "utf-8")
            await gateway.reload()
            world = gateway.fleet.now.world
            snapshot = world.snapshot(gateway.clock.now_s())
            assert (snapshot.nodes, snapshot.queued.tolist()) == (("comes", "stays"), [0, 1])
            assert snapshot.intensity_g_per_kwh.tolist() == [100.0, 200.0], "each node's own"
            assert snapshot.mean_s[1] == before_s
            assert {(await asked)[0] for asked in (first, second)} == {200}
            snapshot = world.snapshot(gateway.clock.now_s())
            assert snapshot.queued.tolist() == [0, 0], (
                "it hears of the end of what it took over, and of nothing else"
            )
            assert snapshot.mean_s[1] > before_s + 0.1, "and of the time that it took"
        await comes.stop()

    run(test)


def test_a_variant_that_a_new_scenario_adds_is_found_on_nodes_that_stay(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (gateway, client, _):
            file = tmp_path / "scenario.toml"
            whole = file.read_text("utf-8")
            begin, end = whole.index("[models.m.variants.half]"), whole.index("[nodes.one]")
            for text, variant in ((whole[:begin] + whole[end:], "full"), (whole, "half")):
                file.write_text(text, "utf-8")
                await gateway.reload()
                _, head, _, _ = await ask(client, as_json(accuracy_floor_frac=0.8))
                assert head["parameters"]["gramwise_variant"] == variant

    run(test)


def test_a_node_without_binary_tensors_serves_clients_that_send_them(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode(binary=False, names="{model}__{variant}")
        async with running(tmp_path, {"json": node}) as (gateway, client, _):
            assert gateway.fleet.peers["json"].dialect == "http-json"
            status, head, rest, _ = await ask(client, binary(2))
            assert (status, head["model_name"], head["parameters"]["energy_joules"]) == (200, "m", 2.0)
            assert np.frombuffer(rest, "<f4").tolist() == [0.0, 1.0, 2.0, 3.0]
            assert node.asked[-1]["inputs"][0]["data"] == [0.0, 1.0, 2.0, 3.0]

    run(test)


def test_over_grpc_bytes_pass_and_parameters_are_added(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="the gateway needs the serve extra")
    from gramwise.gateway.oip.messages import decode, message
    from gramwise.gateway.oip.scan import parameters_bytes, scan_reply
    from gramwise.gateway.rpc import RpcFailed, RpcUpstream

    async def test() -> None:
        async with running(tmp_path, {"one": FakeNode()}, grpc="127.0.0.1:0") as (gateway, _, where):
            client = RpcUpstream(*where.grpc)
            request = message("ModelInferRequest")(model_name="m", id="mine")
            request.inputs.add(name="x", datatype="FP32", shape=[1, 2])
            request.raw_input_contents.append(np.array([1, 2], "<f4").tobytes())
            data = request.SerializeToString()
            reply = await client.call("ModelInfer", data + parameters_bytes({"deadline_ms": 900.0}))
            answer, told = decode("ModelInferResponse", reply), scan_reply(reply)
            assert (answer.model_name, answer.id) == ("m", "mine")
            assert answer.raw_output_contents[0] == np.array([1, 2], "<f4").tobytes()
            assert (told["gramwise_node"], told["energy_joules"]) == ("one", 1.0)
            assert str(told["energy_receipt"]).startswith("energy_joules=1 ")
            for bad, code in ((b"\xff", 3), (data + parameters_bytes({"deadline_ms": "NaN"}), 3)):
                with pytest.raises(RpcFailed) as fault:
                    await client.call("ModelInfer", bad)
                assert fault.value.code == code
            about = decode("ModelMetadataResponse", await client.call("ModelMetadata", b"\n\x01m"))
            assert (about.name, list(about.inputs[0].shape)) == ("m", [-1, 2])
            with pytest.raises(RpcFailed) as fault:
                await client.call("ModelMetadata", b"\n\x06nobody")
            assert fault.value.code == 5
            await client.close()
            assert [row["protocol"] for row in rows_of(gateway)] == ["grpc"]

    run(test)


def test_without_accounting_requests_pass_and_nothing_is_kept(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"a": FakeNode(), "b": FakeNode()}
        async with running(tmp_path, nodes, accounting=False) as (gateway, client, _):
            nodes["a"].mode = "cut"
            status, head, _, _ = await ask(client, binary())
            assert (status, head["parameters"]) == (200, {"energy_joules": 1.0}), "as the node told it"
            assert gateway.ledger is None

    run(test)


def test_metrics_tell_nodes_and_requests(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path, {"one": FakeNode()}) as (gateway, client, _):
            await ask(client, binary())
            assert gateway.metrics is not None
            text = gateway.metrics.text().decode()
            assert 'gramwise_node_up{node="one",zone="FR"} 1.0' in text
            assert 'outcome="completed",version="full"} 1.0' in text

    run(test)


def test_a_node_without_an_address_or_in_the_clear_is_refused_with_its_key(tmp_path: Path) -> None:
    async def refusal(address: str) -> str:
        file = tmp_path / "scenario.toml"
        text = scenario_text({"one": "127.0.0.1:9"})
        file.write_text(
            text.replace('address = "127.0.0.1:9"', f'address = "{address}"' if address else ""), "utf-8"
        )
        from gramwise.gateway.front.gateway import Gateway

        with pytest.raises(ConfigError) as fault:
            await Gateway(Settings.of(scenario=file, state=tmp_path / "state", listen="127.0.0.1:0")).start()
        return str(fault.value)

    assert "nodes.one.address: this node has no address" in asyncio.run(refusal(""))
    assert "in the clear" in asyncio.run(refusal("10.0.0.1:8000"))
    assert "is no address" in asyncio.run(refusal("10.0.0.1"))


def a_world(kind: type[World]) -> World:
    device = Device(id="d", name="d", device_class="sbc")
    nodes = [
        Node(name=f"n{i}", zone="FR", device=device, cpu_share=1.0, memory_bytes=2**30, slots=i + 1)
        for i in range(3)
    ]
    table = PlanTable(
        node=np.arange(3),
        model=("m",) * 3,
        variant=("v",) * 3,
        reference=np.ones(3, dtype=np.bool_),
        latency_s=columns([0.05] * 3),
        fixed_s=columns([0.0] * 3),
        energy_j=columns([1.0] * 3),
        accuracy_frac=columns([0.9] * 3),
        memory_bytes=columns([1.0] * 3),
    )
    return kind(nodes, [Grid(intensity=None, age_s=0.0)] * 3, table)


def test_the_quick_world_says_what_the_plain_one_says() -> None:
    rng = random.Random(0)
    plain, quick = a_world(World), a_world(BusyWorld)
    now_s, under_way = 1000.0, list[tuple[str, str]]()
    for i in range(300):
        now_s += 0.02 * rng.random()
        if rng.random() < 0.55 or not under_way:
            under_way.append((f"n{rng.randrange(3)}", str(i)))
            for world in (plain, quick):
                world.begin(*under_way[-1], 0.05, now_s)
        else:
            gone = under_way.pop(rng.randrange(len(under_way)))
            for world in (plain, quick):
                world.end(*gone, now_s, 0.04)
        if i == 150:
            for world in (plain, quick):
                world.lost("n1")
        one, other = plain.snapshot(now_s), quick.snapshot(now_s)
        for field in dataclasses.fields(Snapshot):
            a, b = getattr(one, field.name), getattr(other, field.name)
            if field.name == "busy_frac":
                np.testing.assert_allclose(a, b, atol=0.02)
            elif isinstance(a, np.ndarray):
                np.testing.assert_array_equal(a, b, err_msg=field.name)
            elif field.name not in ("version", "plans"):
                assert a == b, field.name


def test_drift_counts_the_time_for_which_a_node_is_busy_and_no_waiting() -> None:
    one = Drift(slots=1)
    one.begin("a", 0.1, 0.0)
    one.begin("b", 0.1, 0.05)
    one.begin("c", 0.1, 0.05)
    one.end("a", 0.2, done=True)
    one.end("b", 0.4, done=True)
    assert (one.took_s, one.count) == (pytest.approx(0.4), 2)
    one.begin("d", 0.1, 0.45)
    one.end("c", 0.5, done=False)  # given up: whether d has had its turn since, nobody can tell
    one.end("d", 0.7, done=True)
    assert one.count == 2
    one.begin("e", 0.1, 1.0)
    one.end("e", 1.2, done=True)
    assert (one.took_s, one.predicted_s, one.count) == (pytest.approx(0.6), pytest.approx(0.3), 3)
    two = Drift(slots=2)
    for name, begin_s in (("a", 0.0), ("b", 0.0), ("c", 0.0), ("d", 0.1)):
        two.begin(name, 1.0, begin_s)
    for name, end_s in (("a", 1.0), ("b", 1.5), ("c", 2.0), ("d", 2.5)):
        two.end(name, end_s, done=True)
    assert two.took_s == pytest.approx(1.0 + 1.5 + 1.0 + 1.0)
    two.begin("e", 1.0, 3.0)
    two.forget()
    assert (two.took_s, two.count) == (0.0, 0)
    two.end("nobody", 3.0, done=True)
    two.end("e", 4.0, done=True)
    assert two.count == 0, "e was predicted before"


def test_drift_knows_the_way_which_keeps_nobody_busy() -> None:
    drift = Drift(slots=1)
    drift.way_s = 0.5
    drift.know(["old"])
    for name in ("a", "b"):
        drift.begin(name, 0.7, 0.0)
    drift.end("old", 0.6, done=True)
    drift.end("a", 0.8, done=True)
    drift.end("b", 1.0, done=True)
    assert (drift.took_s, drift.predicted_s) == (pytest.approx(0.2 + 0.2), pytest.approx(0.4))
    drift.begin("c", 0.7, 2.0)
    drift.end("c", 2.7, done=True)
    assert drift.took_s == pytest.approx(0.6)


def test_a_node_that_is_spoken_to_over_grpc_answers_http_clients_and_the_other_way_round(
    tmp_path: Path,
) -> None:
    pytest.importorskip("grpc", reason="the gateway needs the serve extra")
    from node_rig import RunningNode

    from gramwise.gateway.front.gateway import Gateway
    from gramwise.gateway.oip.messages import decode, message
    from gramwise.gateway.oip.tensors import write_request
    from gramwise.gateway.rpc import RpcUpstream

    small = Path(__file__).parents[2] / "src" / "gramwise" / "data" / "models" / "digits-small.onnx"
    home = tmp_path / "models" / "m.full" / "1"
    home.mkdir(parents=True)
    (home / "model.onnx").write_bytes(small.read_bytes())
    images = np.random.default_rng(0).random((2, 1, 96, 96), np.float32)

    async def answers(node: RunningNode, protocol: str) -> tuple[bytes, bytes]:
        http, grpc = (f"{host}:{port}" for host, port in (node.at["http"], node.at["grpc"]))
        file = tmp_path / "scenario.toml"
        server = f'[nodes.one.server]\nprotocol = "{protocol}"\n' + (
            f'grpc = "{grpc}"\n' if protocol == "grpc" else ""
        )
        file.write_text(scenario_text({"one": http}) + server, "utf-8")
        settings = Settings.of(
            scenario=file, state=tmp_path / "state", listen="127.0.0.1:0", grpc="127.0.0.1:0", profile_runs=1
        )
        gateway = Gateway(settings)
        where = await gateway.start()
        assert where.grpc is not None
        client, caller = Upstream(*where.http), RpcUpstream(*where.grpc)
        try:
            head, tail = write_request({"input": images})
            status, told, rest, _ = await ask(client, ([(SIZE, b"%d" % len(head))], b"".join((head, *tail))))
            assert (status, told["model_name"]) == (200, "m")
            request = message("ModelInferRequest")(model_name="m")
            request.inputs.add(name="input", datatype="FP32", shape=images.shape)
            request.raw_input_contents.append(images.tobytes())
            reply = decode("ModelInferResponse", await caller.call("ModelInfer", request.SerializeToString()))
            return rest, reply.raw_output_contents[0]
        finally:
            await client.close()
            await caller.close()
            await gateway.end()

    with RunningNode(tmp_path / "models", tmp_path / "node.log", grpc="127.0.0.1:0") as node:
        found = {each for kind in ("grpc", "http-binary") for each in asyncio.run(answers(node, kind))}
    assert len(found) == 1, "the same bytes on all four ways"
    assert len(found.pop()) == 2 * 10 * 4


def test_a_client_that_leaves_in_the_middle_harms_nobody(tmp_path: Path) -> None:
    async def test() -> None:
        node = FakeNode()
        async with running(tmp_path, {"one": node}) as (gateway, client, where):
            headers, body = binary(50_000)
            reader, writer = await asyncio.open_connection(*where.http)
            lines = b"".join(b"%b: %b\r\n" % pair for pair in headers)
            writer.write(b"POST /v2/models/m/infer HTTP/1.1\r\nhost: x\r\n" + lines)
            writer.write(b"content-length: %d\r\n\r\n" % len(body) + body[:200_000])
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.transport.abort()
            assert (await ask(client, binary()))[0] == 200
            await until(lambda: len(rows_of(gateway)) == 2)
            by_status = {row["status"]: row for row in rows_of(gateway)}
            assert set(by_status) == {"completed", "failed"}
            assert by_status["failed"]["http_status"] is None, "nobody was told anything"
            assert gateway.fleet.peers["one"].up, "the node did nothing wrong"
            assert reader is not None

    run(test)
