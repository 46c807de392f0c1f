"""The control API's own listener: uvicorn inside a running loop, with limits on slow and on many clients, and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from gramwise.core.errors import ConfigError, SourceUnavailable

from ..access.exposure import check_exposure
from ..access.tls import TlsFiles
from .limits import HttpLimits

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol
except ModuleNotFoundError as fault:
    raise SourceUnavailable("the control API needs uvicorn: pip install 'gramwise[serve]'") from fault


class _Hasty(H11Protocol):
    """Closes a connection on which no request has begun in time: uvicorn itself would wait for ever."""

    head_within_s: float
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """The clock of the first request starts."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """A head that came stops the clock; a piece of one does not."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()
        elif self._late is not None:
            self._late.cancel()
            self._late = None

    def connection_lost(self, exc: Exception | None) -> None:
        """No clock is left behind."""
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.head_within_s, self._close)

    def _close(self) -> None:
        self._late = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class _Server(uvicorn.Server):
    """Leaves signals to the gateway."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield


class Listener:
    """Serves an ASGI application.

    Args:
        app: as `control_app` makes it.
        auth: whether it asks for keys.
        tls: certificate and key; None speaks plain HTTP, on loopback only.
        limits: of connections and heads.
    """

    def __init__(
        self, app: Any, *, auth: bool, tls: TlsFiles | None = None, limits: HttpLimits | None = None
    ) -> None:
        self._app, self._auth, self._tls, self._limits = app, auth, tls, limits or HttpLimits()
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen.

        Args:
            host, port: where; port 0 takes a free one.

        Returns:
            Host and port.

        Raises:
            ConfigError: others can come without keys or TLS; the address is taken or none of this machine's.
        """
        check_exposure(host, auth=self._auth, tls=self._tls is not None, key="--control")
        config = uvicorn.Config(
            self._app,
            http=type("_Timed", (_Hasty,), {"head_within_s": self._limits.head_within_s}),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=self._limits.connections,
            timeout_keep_alive=self._limits.idle_s,
            h11_max_incomplete_event_size=self._limits.head_bytes,
        )
        config.load()
        if self._tls is not None:
            config.ssl = self._tls.server()
        listening = _listening(host, port)
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.01)
        bound_host, bound_port = listening.getsockname()[:2]
        return bound_host, bound_port

    async def stop(self, limit_s: float = 5.0) -> None:
        """Take no new connection, wait for the requests under way, and leave."""
        if self._server is None or self._task is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(limit_s))
        self._server.should_exit = True
        await self._task


def _listening(host: str, port: int) -> socket.socket:
    bare = host.removeprefix("[").removesuffix("]")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            bare, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.ExitStack() as opened:
            listening = opened.enter_context(socket.socket(family, kind, proto))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            opened.pop_all()
    except OSError as fault:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {fault.strerror or fault}.",
            key="--control",
            fix="Name another.",
        ) from None
    return listening
