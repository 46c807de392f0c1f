"""Servers behind the gateway that answer nonsense: the request is served elsewhere, and the books stay right."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path

import pytest

pytest.importorskip("httptools", reason="the gateway needs the serve extra")
pytest.importorskip("sqlalchemy", reason="the gateway needs the serve extra")
pytest.importorskip("prometheus_client", reason="the gateway needs the serve extra")

from front_rig import FakeNode, as_json, ask, binary, rows_of, run, running

OK = b"HTTP/1.1 200 OK\r\n"
HEAD = json.dumps({"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [1.0]}]}).encode()


def sized(body: bytes, *more: bytes, size: int | None = None) -> bytes:
    lines = b"".join(b"%b\r\n" % line for line in more)
    return OK + lines + b"content-length: %d\r\n\r\n" % (len(body) if size is None else size) + body


NONSENSE = {
    "random bytes": b"\x00\xffnothing\x13\x37" * 50,
    "nothing at all": b"",
    "half a head": OK + b"content-length: 10\r\nx-a",
    "a length too long": sized(HEAD, size=len(HEAD) + 100),
    "a length too short": sized(HEAD, size=len(HEAD) - 5),
    "a negative length": OK + b"content-length: -1\r\n\r\n" + HEAD,
    "a length beyond 64 bits": OK + b"content-length: 99999999999999999999999\r\n\r\n" + HEAD,
    "two lengths": OK + b"content-length: 5\r\ncontent-length: 7\r\n\r\n" + HEAD,
    "a length and chunks": OK
    + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "broken chunks": OK + b"transfer-encoding: chunked\r\n\r\nZZ\r\nabc\r\n",
    "a page": sized(b"<html><body>Welcome to nginx!</body></html>", b"content-type: text/html"),
    "broken JSON": sized(b'{"outputs": ['),
    "JSON of another kind": sized(b"[1, 2, 3]"),
    "no outputs": sized(b"{}"),
    "parameters of another kind": sized(b'{"outputs": [], "parameters": [1]}'),
    "deep JSON": sized(b'{"outputs": ' + b"[" * 50_000),
    "a head longer than the body": sized(HEAD, b"inference-header-content-length: 100000"),
    "a negative head": sized(HEAD, b"inference-header-content-length: -1"),
    "a head of no number": sized(HEAD, b"inference-header-content-length: many"),
    "headers without end": OK + b"x-filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 5_000,
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "only 100s": b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000,
    "an upgrade": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
}


class Hostile(FakeNode):
    """A good node behind a door that answers inferences as it is told; ``hang`` leaves the connection open."""

    says: bytes | None = None
    hang = False
    door: asyncio.Server

    async def start(self, port: int = 0) -> None:
        await super().start(port)
        self._inside = self.address.rpartition(":")[2]
        self.door = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self.door.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        self.door.close()
        await super().stop()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, here = await asyncio.open_connection("127.0.0.1", int(self._inside))
        back = asyncio.ensure_future(self._copy(there, writer))
        try:
            while chunk := await reader.read(1 << 16):
                if self.says is not None and b"/infer" in chunk:
                    writer.write(self.says)
                    await writer.drain()
                    if self.hang:
                        await reader.read()
                    return
                here.write(chunk)
        except OSError:
            pass
        finally:
            back.cancel()
            for each in (here, writer):
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(1 << 16):
                writer.write(chunk)


def test_nonsense_costs_one_try_elsewhere_whatever_it_is(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"hostile": Hostile(), "good": FakeNode()}
        assert isinstance(nodes["hostile"], Hostile)
        async with running(tmp_path, nodes, policy="grams") as (gateway, client, _):
            peer = gateway.fleet.peers["hostile"]
            for what, said in NONSENSE.items():
                for request in (binary(), as_json()):
                    gateway.fleet.found(peer)  # at once: here it is not waited for
                    nodes["hostile"].says = said
                    status, head, _, _ = await ask(client, request)
                    assert (status, head["parameters"]["gramwise_node"]) == (200, "good"), what
                    nodes["hostile"].says = None
            rows = rows_of(gateway)
            assert len(rows) == 2 * len(NONSENSE)
            assert {(row["status"], row["attempts"], row["node"]) for row in rows} == {
                ("completed", 2, "good")
            }

    run(test)


def test_a_node_that_hangs_half_way_is_given_up_after_a_while(tmp_path: Path) -> None:
    async def test() -> None:
        nodes = {"hostile": Hostile(), "good": FakeNode()}
        hostile = nodes["hostile"]
        assert isinstance(hostile, Hostile)
        async with running(tmp_path, nodes, policy="grams", answer_s=0.4) as (_, client, _where):
            hostile.hang = True
            for said in (OK + b"content-le", sized(HEAD[:20], size=len(HEAD)), b""):
                while not client_sees(hostile):
                    await asyncio.sleep(0.01)
                hostile.says = said
                status, head, _, _ = await ask(client, binary())
                assert (status, head["parameters"]["gramwise_node"]) == (200, "good")
                hostile.says = None

    def client_sees(node: Hostile) -> bool:
        return node.says is None

    run(test)


@pytest.mark.parametrize("told", ["NaN", "1e999", "-5", '"abc"', "true", "null", "1e-320"])
def test_joules_that_make_no_sense_are_unknown(told: str, tmp_path: Path) -> None:
    parameters = b'{"energy_joules": %b, "energy_method": "measured"}' % told.encode()
    body = b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [1], "data": [1.0]}], "parameters": %b}'

    async def test() -> None:
        nodes = {"hostile": Hostile(), "good": FakeNode()}
        hostile = nodes["hostile"]
        assert isinstance(hostile, Hostile)
        async with running(tmp_path, nodes, policy="grams") as (gateway, client, _):
            hostile.says = sized(body % parameters)
            status, _, _, _ = await ask(client, as_json())
            assert status == 200
            (row,) = rows_of(gateway)
            assert row["energy_j"] is None or row["energy_j"] >= 0.0
            assert row["carbon_g"] is None or row["carbon_g"] >= 0.0
            summary = json.dumps(rows_of(gateway), allow_nan=False)
            assert "abc" not in summary

    run(test)


def test_an_answer_without_end_is_cut_off(tmp_path: Path) -> None:
    """Of a JSON answer that must be read whole there is a limit; the node is not believed again at once."""

    async def test() -> None:
        nodes = {"hostile": Hostile(), "good": FakeNode()}
        hostile = nodes["hostile"]
        assert isinstance(hostile, Hostile)
        async with running(tmp_path, nodes, policy="grams", most_body_bytes=1 << 20) as (_, client, _where):
            chunk = b"%x\r\n%b\r\n" % (1 << 16, os.urandom(1 << 15).hex().encode())
            hostile.says = OK + b"transfer-encoding: chunked\r\n\r\n" + chunk * 64
            status, head, _, _ = await ask(client, as_json())
            assert (status, head["parameters"]["gramwise_node"]) == (200, "good")

    run(test)
