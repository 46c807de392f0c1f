"""A proxy that makes a link on one machine as slow as the declared one: bytes are handed on late, and at its rate.

It runs as a process of its own, so that what it takes is not the gateway's. Half of the round trip is added each way;
bytes of all connections of a link share its rate, each way for itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from gramwise.fleet.rows import split_address

CHUNK_BYTES = 65_536
HELD_CHUNKS = 64
"""Of a direction of a connection, on their way."""


class Wire:
    """One direction of a link.

    Args:
        delay_s: from end to end.
        bytes_per_s: None for no limit.
    """

    def __init__(self, delay_s: float, bytes_per_s: float | None) -> None:
        self._delay_s, self._bytes_per_s, self._free_s = delay_s, bytes_per_s, 0.0

    def due_s(self, nbytes: int, now_s: float) -> float:
        """When bytes that enter now have left at the other end."""
        if self._bytes_per_s:
            self._free_s = max(now_s, self._free_s) + nbytes / self._bytes_per_s
            return self._free_s + self._delay_s
        return now_s + self._delay_s


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: Wire) -> None:
    """Hand on one direction of a connection until it ends, in order and not before time."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD_CHUNKS)

    async def take() -> None:
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                await queue.put((wire.due_s(len(chunk), loop.time()), chunk))
        finally:
            await queue.put((loop.time(), b""))

    taking = asyncio.ensure_future(take())
    try:
        while True:
            due_s, chunk = await queue.get()
            if due_s > loop.time():
                await asyncio.sleep(due_s - loop.time())
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass  # one side has gone: the other is closed
    finally:
        taking.cancel()
        writer.close()


async def proxy(address: str, up: Wire, down: Wire) -> tuple[asyncio.Server, str]:
    """Listen before an address; returns the server and where it listens."""
    target = split_address(address)
    assert target is not None

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*target)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(
            carry(reader, far_writer, up), carry(far_reader, writer, down), return_exceptions=True
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    return server, f"{host}:{port}"


async def serve(links: Sequence[dict[str, Any]]) -> None:
    """Proxies for links (``to``: addresses, ``rtt_s``, ``bytes_per_s``); prints their addresses in the same order."""
    found, servers = [], []
    for link in links:
        up, down = (Wire(link["rtt_s"] / 2, link["bytes_per_s"]) for _ in range(2))
        here = [await proxy(address, up, down) for address in link["to"]]
        servers += [server for server, _ in here]
        found.append([where for _, where in here])
    print(json.dumps(found), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """The process: told on standard input, over when that ends."""
    links = json.loads(sys.stdin.readline())

    def end() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end, daemon=True).start()
    asyncio.run(serve(links))
