"""A node as the gateway speaks to it: its connections, what it calls our variants, and whether it takes work.

A node goes out of service at the first sign that it cannot serve (passive ejection) and comes back only after several
good looks in a row (`gramwise.gateway.front.membership`), so that one that flaps does not flap in decisions.
"""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import SecretStr

from gramwise.core.errors import ConfigError
from gramwise.core.machines import Node
from gramwise.core.quantity import Quantity
from gramwise.fleet.rows import ServerTable, split_address
from gramwise.gateway.access.exposure import check_upstream
from gramwise.gateway.access.tls import TlsFiles
from gramwise.gateway.access.tokens import bearer, read_token
from gramwise.gateway.oip.metadata import ModelMetadata
from gramwise.gateway.rpc import RpcUpstream
from gramwise.gateway.web.client import Upstream

Dialect: TypeAlias = Literal["http-binary", "http-json", "grpc"]

_LOG = logging.getLogger("gramwise.gateway.front")


class Peer:
    """One node.

    Args:
        node: from the scenario.
        server: how it is spoken to.
        base: folder that the scenario's files are relative to.
        token: that it asks for; None takes the one of ``server``, if any.

    Attributes:
        http, rpc: connections; ``rpc`` is None for a node without a gRPC face.
        dialect: how requests are sent; None until it was asked.
        names: its name for a variant, by the executor's name; empty until it was asked.
        metadata: of its models, by its own names.
        declared: marginal joules of an inference, by the executor's name, where it may tell none itself.
        price: marginal joules of a CPU second of its, where they are known; it may tell CPU seconds and no joules.
        up: it takes work.
        leaving: it gets nothing new and will not come back.
        why: it is out; empty while it is up.
        said: what it says that it is.
        rest_until_s: it is left alone until then, on the loop's clock.
        heard_s: when it last answered a request, by the engine's clock; a node that answers is there.
        way_s: there and back, by the shortest look at its readiness so far; infinite before the first.
        on_out: called when it goes out.

    Raises:
        ConfigError: an address that cannot be used, a token or a certificate that cannot be read.
    """

    def __init__(
        self, node: Node, server: ServerTable, base: Path, *, token: SecretStr | None = None
    ) -> None:
        key = f"nodes.{node.name}"
        found = split_address(node.address)
        if found is None:
            raise ConfigError(
                "this node has no address, so the gateway cannot send it anything.",
                key=f"{key}.address",
                fix='Write address = "HOST:PORT", of its inference server.',
            )
        self.node, self.server, self._base = node, server, base
        self.secure = node.address.startswith("https://")
        check_upstream(found[0], tls=self.secure, key=f"{key}.address")
        if server.token_file is not None and token is None:
            token = read_token(base / server.token_file)
        self._token, self._found = token, found
        self._tls = self._context() if self.secure else None
        self.http = self._upstream()
        self.rpc = self._rpc()
        self.dialect: Dialect | None = None
        self.names: dict[str, str] = {}
        self.metadata: dict[str, ModelMetadata] = {}
        self.declared: dict[str, Quantity] = {}
        self.price: Quantity | None = None
        self.said = ""
        self.up, self.leaving, self.why = False, False, "not reached yet"
        self.rest_until_s, self.heard_s, self.way_s = 0.0, 0.0, math.inf
        self.on_out: Callable[[Peer], None] = lambda _: None

    @property
    def name(self) -> str:
        """Of the node."""
        return self.node.name

    @property
    def identity(self) -> tuple[object, ...]:
        """What must be the same for a peer to live on when the scenario is read anew."""
        return (self.node.name, self.node.address, self.server)

    def out(self, why: str) -> None:
        """It cannot serve: give it nothing until it has shown that it can."""
        if self.up:
            _LOG.warning("node %s is out: %s", self.name, why)
            self.up, self.why = False, why
            self.on_out(self)

    def rest(self, rest_s: float, why: str, now_s: float) -> None:
        """Out for at least so long; ``now_s`` on the loop's clock."""
        self.rest_until_s = max(self.rest_until_s, now_s + rest_s)
        self.out(why)

    def back(self) -> None:
        """It serves again."""
        if not self.up and not self.leaving:
            _LOG.info("node %s takes work", self.name)
            self.up, self.why = True, ""

    async def hang_up(self) -> None:
        """Break every request that it holds, so that each is tried elsewhere; later ones get new connections."""
        old, self.http = self.http, self._upstream()
        await old.close()
        if self.rpc is not None:
            broken, self.rpc = self.rpc, self._rpc()
            await broken.close()

    async def close(self) -> None:
        """For good."""
        await self.http.close()
        if self.rpc is not None:
            await self.rpc.close()

    def _context(self) -> ssl.SSLContext:
        return self._files().client()

    def _files(self) -> TlsFiles:
        ca = self.server.ca_file
        return TlsFiles(ca=None if ca is None else self._base / ca)

    def _upstream(self) -> Upstream:
        headers = () if self._token is None else ((b"authorization", bearer(self._token).encode()),)
        return Upstream(*self._found, ssl=self._tls, headers=headers)

    def _rpc(self) -> RpcUpstream | None:
        if self.server.grpc is None:
            return None
        found = split_address(self.server.grpc)
        assert found is not None  # checked when the scenario was read
        metadata = () if self._token is None else (("authorization", bearer(self._token)),)
        check_upstream(found[0], tls=self.secure, key=f"nodes.{self.name}.server.grpc")
        return RpcUpstream(*found, secure=self.secure, ca=self._files().pem()[2], metadata=metadata)
