"""The proxy that slows a link down: what is due when, and bytes that arrive whole and in order."""

from __future__ import annotations

import asyncio
import os

import pytest

from gramwise.gateway.front.delay import Wire, proxy


def test_bytes_are_due_after_their_turn_and_the_way() -> None:
    wire = Wire(0.1, 1000.0)
    assert wire.due_s(500, 10.0) == pytest.approx(10.6)
    assert wire.due_s(500, 10.0) == pytest.approx(11.1), "they share the rate"
    assert wire.due_s(100, 50.0) == pytest.approx(50.2), "a link that rested owes nothing"
    assert Wire(0.1, None).due_s(10**9, 10.0) == pytest.approx(10.1)


def test_what_passes_is_what_was_sent() -> None:
    data = os.urandom(300_000)

    async def test() -> bytes:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(len(data)))
            await writer.drain()
            writer.close()

        far = await asyncio.start_server(echo, "127.0.0.1", 0)
        host, port = far.sockets[0].getsockname()
        near, where = await proxy(f"{host}:{port}", Wire(0.001, 1e8), Wire(0.001, 1e8))
        reader, writer = await asyncio.open_connection(*where.split(":"))
        writer.write(data)
        found = await reader.read()
        writer.close()
        await writer.wait_closed()
        near.close()
        far.close()
        await asyncio.sleep(0.05)  # the proxy's own ends close behind the last byte
        return found

    assert asyncio.run(test()) == data
