"""Bodies at a node: what they may fill before they arrive, and that nothing that is remembered keeps them."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httptools", reason="the node needs the serve extra")
pytest.importorskip("prometheus_client", reason="the node needs the serve extra")

from gramwise.gateway.node.batching import Slots
from gramwise.gateway.node.http_face import HttpFace
from gramwise.gateway.node.inference import Inference
from gramwise.gateway.node.measures import Measures
from gramwise.gateway.node.repository import Repository
from gramwise.gateway.node.room import Room
from gramwise.gateway.node.tariff import Tariff
from gramwise.gateway.node.usage import Usage
from gramwise.gateway.web.body import Body
from gramwise.gateway.web.exchange import Exchange
from gramwise.gateway.web.limits import Limits
from gramwise.gateway.web.server import HttpServer

PATIENCE_S = 10.0
MOST_HELD_BYTES = 1 << 20


class Held:
    """A source of bodies that is never held back."""

    def hold_body(self) -> None: ...

    def resume_body(self) -> None: ...

    def want_body(self) -> None: ...


def test_lengths_that_are_only_declared_take_a_quarter_of_the_room() -> None:
    room = Room(1000)
    places = [room.place(100, 0) for _ in range(10)]
    assert [each is not None for each in places] == [True, True] + [False] * 8
    assert room.place(50, 0) is not None, "what is smaller still fits, and goes when nobody holds it"
    del places
    assert room.place(250, 0) is not None, "a body that broke off gives its share back with its memory"
    assert room.place(251, 0) is None


def test_a_body_that_is_there_counts_as_held_and_no_longer_as_empty() -> None:
    room, body = Room(1000), Body(250, Held(), 1 << 16)
    place = room.place(250, 0)
    assert place is not None
    assert room.place(1, 0) is None
    body.put_into(place)

    async def go() -> None:
        with room.held() as held:
            reading = asyncio.create_task(held.read(body, 1000))
            await asyncio.sleep(0)
            body.feed(b"x" * 249)
            assert room.place(1, 0) is None, "all but one byte is there, which fills nothing yet"
            body.feed(b"x")
            body.finish()
            assert bytes(await reading) == b"x" * 250
            assert room.place(250, 0) is not None, "of a room that now holds a quarter"
            with pytest.raises(Exception, match="memory"):
                held.add(751)

    asyncio.run(go())


class Served:
    """A node's HTTP face without models, on a real socket; it remembers which memory bodies were given."""

    def __init__(self, folder: Path) -> None:
        tariff, self.slots = Tariff(), Slots(1)
        inference = Inference(
            Repository(folder),
            self.slots,
            tariff,
            Measures("n", tariff),
            most_tensors=8,
            most_held_bytes=MOST_HELD_BYTES,
        )
        self.face = HttpFace(inference, Usage("n", tariff, lambda: 0.0), None, 1 << 20, 1 << 20)
        self.memory: list[weakref.ref[object]] = []
        self.refused = 0

    def place(self, exchange: Exchange) -> memoryview | None:
        whole = self.face.place(exchange)
        if whole is None:
            self.refused += 1
        else:
            self.memory.append(weakref.ref(whole.obj))
        return whole

    @staticmethod
    def talk(folder: Path, *requests: bytes) -> tuple[Served, list[bytes]]:
        """One after the other, each on a connection of its own; what is answered."""

        async def go() -> tuple[Served, list[bytes]]:
            served = Served(folder)
            server = HttpServer(served.face.answer, Limits(), place=served.place)
            _, port = await server.start("127.0.0.1", 0)
            answers = [await ask(port, each) for each in requests]
            await server.drain(1.0)
            served.slots.close()
            return served, answers

        return asyncio.run(asyncio.wait_for(go(), PATIENCE_S))


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    answer = await reader.read(-1)
    writer.close()
    return answer


def post(body: bytes, json_size: int) -> bytes:
    lengths = b"Content-Length: %d\r\nInference-Header-Content-Length: %d\r\n" % (len(body), json_size)
    return b"POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\n%b\r\n%b" % (lengths, body)


def head(*inputs: dict[str, Any]) -> bytes:
    return json.dumps({"inputs": inputs}).encode()


INLINE = {"name": "a", "datatype": "FP32", "shape": [1], "data": [0.5]}


def test_a_head_that_is_remembered_keeps_no_body(tmp_path: Path) -> None:
    nbytes = 100_000
    binary = {
        "name": "b",
        "datatype": "UINT8",
        "shape": [nbytes],
        "parameters": {"binary_data_size": nbytes},
    }
    words = head(INLINE, binary)
    served, (answer,) = Served.talk(tmp_path, post(words + bytes(nbytes), len(words)))
    assert b" 404 " in answer.split(b"\r\n")[0], "the head is read before the model is looked for"
    gc.collect()
    assert [each() for each in served.memory] == [None]


def test_a_size_beyond_the_body_is_refused_though_its_bytes_are_known(tmp_path: Path) -> None:
    words = head(INLINE)
    requests = [post(words, len(words)), post(words, len(words) + 1)]
    _, (first, second) = Served.talk(tmp_path, *requests)
    assert b" 404 " in first.split(b"\r\n")[0]
    assert b" 400 " in second.split(b"\r\n")[0]
    assert b"Inference-Header-Content-Length is" in second


def test_silent_clients_do_not_shut_out_others(tmp_path: Path) -> None:
    nbytes, words = MOST_HELD_BYTES // 8, head(INLINE)

    async def go() -> tuple[Served, bytes]:
        served = Served(tmp_path)
        server = HttpServer(served.face.answer, Limits(), place=served.place)
        _, port = await server.start("127.0.0.1", 0)
        silent = []
        for _ in range(16):  # together they declare twice the room
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(post(bytes(nbytes), len(words))[:-nbytes])
            silent.append((reader, writer))
        while server.requests < len(silent):
            await asyncio.sleep(0.01)
        assert (len(served.memory), served.refused) == (2, 14)
        answer = await ask(port, post(words, len(words)))
        for _, each in silent:
            each.close()
        await server.drain(1.0)
        served.slots.close()
        return served, answer

    served, answer = asyncio.run(asyncio.wait_for(go(), PATIENCE_S))
    assert b" 404 " in answer.split(b"\r\n")[0], "it is read, and refused for its model only"
    gc.collect()
    assert served.face._inference.room.place(MOST_HELD_BYTES // 4, 0) is not None, "all is given back"
