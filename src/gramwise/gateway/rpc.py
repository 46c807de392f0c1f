"""gRPC for the Open Inference Protocol, as bytes in and bytes out: a server of its six calls and a client for them.

The only module that imports grpc. Messages are neither decoded nor made here: whoever answers reads them with
`gramwise.gateway.oip.messages`, as far as it needs to, so that a gateway passes tensors through untouched. Nothing is
registered in the default descriptor pool, so this lives beside any other gRPC library of the process.

Source: ``open_inference_grpc.proto`` of the Open Inference Protocol (service and method names).
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gramwise.core.errors import ConfigError, GramwiseError, SourceUnavailable
from gramwise.gateway.oip.errors import BadRequest, grpc_code

SERVICE = "inference.GRPCInferenceService"

METHODS = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
"""The calls that every server of the protocol has."""

MOST_MESSAGE_BYTES = 64 << 20
"""Default limit of a message. gRPC's own, 4 MiB, is less than many images in a batch."""


@dataclass(frozen=True, slots=True)
class RpcCall:
    """One call as it came.

    Attributes:
        method: one of `METHODS`.
        message: the request, still encoded.
        metadata: headers, names in lower case; binary ones are left out. Where a name came twice, the first.
        left_s: seconds until the client's own deadline; None when it set none.
    """

    method: str
    message: bytes
    metadata: Mapping[str, str]
    left_s: float | None


Handler: TypeAlias = Callable[[RpcCall], Awaitable[bytes]]
"""Answers a call with an encoded message; refuses it by raising `BadRequest`."""


@dataclass(frozen=True, slots=True)
class RpcTls:
    """TLS of a server: PEM texts.

    Attributes:
        certificate, key: its own chain and private key.
        client_ca: who must have signed a client's certificate; None asks clients for none.
    """

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    client_ca: bytes | None = field(default=None, repr=False)


class RpcFailed(GramwiseError):
    """A call ended without an answer.

    Args:
        code: number of the gRPC status, for instance 14 for UNAVAILABLE.
        sentence: what the other side, or grpc, said.
    """

    def __init__(self, code: int, sentence: str) -> None:
        self.code, self.sentence = code, sentence
        super().__init__(sentence)


class RpcServer:
    """Serves the protocol's calls on one port.

    Args:
        handler: answers; a fault of its own becomes INTERNAL without its text.
        tls: None for plain text.
        most_message_bytes: a larger request is refused by grpc with RESOURCE_EXHAUSTED.
        most_calls: calls in progress; further ones are refused with RESOURCE_EXHAUSTED.

    Raises:
        SourceUnavailable: grpcio is not installed.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        tls: RpcTls | None = None,
        most_message_bytes: int = MOST_MESSAGE_BYTES,
        most_calls: int = 1024,
    ) -> None:
        self._grpc, self._handler, self._tls = _grpc(), handler, tls
        self._codes = {code.value[0]: code for code in self._grpc.StatusCode}
        self._server = self._grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", most_message_bytes),
                ("grpc.max_send_message_length", -1),
                # Otherwise a second server takes half of the calls of a port that is in use, in silence.
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=most_calls,
        )
        handlers = {name: self._method(name) for name in METHODS}
        self._server.add_generic_rpc_handlers(
            (self._grpc.method_handlers_generic_handler(SERVICE, handlers),)
        )

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen.

        Args:
            host: address or name; IPv6 without brackets.
            port: 0 takes a free one.

        Returns:
            Host and port that it listens on.

        Raises:
            ConfigError: the address cannot be listened on, or the certificate cannot be used.
        """
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._tls is None:
                bound = self._server.add_insecure_port(address)
            else:
                bound = self._server.add_secure_port(address, self._credentials(self._tls))
        except RuntimeError as fault:
            raise ConfigError(
                f"gRPC cannot listen on {address}: {fault}.",
                fix="Name an address of this machine with a free port, and a certificate that fits its key.",
            ) from fault
        await self._server.start()
        return host, int(bound)

    async def drain(self, limit_s: float) -> None:
        """Take no more calls, let those in progress end for at most ``limit_s`` seconds, then stop."""
        await self._server.stop(limit_s)

    def _credentials(self, tls: RpcTls) -> Any:
        return self._grpc.ssl_server_credentials(
            [(tls.key, tls.certificate)],
            root_certificates=tls.client_ca,
            require_client_auth=tls.client_ca is not None,
        )

    def _method(self, name: str) -> Any:
        async def answer(message: bytes, context: Any) -> bytes:
            try:
                return await self._handler(_call(name, message, context))
            except BadRequest as refusal:
                if refusal.retry_after_s is not None:
                    context.set_trailing_metadata((("retry-after", str(math.ceil(refusal.retry_after_s))),))
                code = self._codes[grpc_code(refusal.status)]
                await context.abort(code, refusal.sentence)
                raise  # never reached: abort raises

        return self._grpc.unary_unary_rpc_method_handler(answer)


class RpcUpstream:
    """Calls a server of the protocol over one channel, which reconnects by itself.

    Args:
        host, port: of the server.
        secure: whether to use TLS.
        ca: PEM of who signed the server's certificate; None trusts grpc's own list.
        metadata: headers of every call, for instance ``("authorization", "Bearer ...")``.
        most_message_bytes: of an answer.

    Raises:
        SourceUnavailable: grpcio is not installed.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        secure: bool = False,
        ca: bytes | None = None,
        metadata: Iterable[tuple[str, str]] = (),
        most_message_bytes: int = MOST_MESSAGE_BYTES,
    ) -> None:
        self._grpc, self._metadata = _grpc(), tuple(metadata)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        options = [
            ("grpc.max_receive_message_length", most_message_bytes),
            ("grpc.max_send_message_length", -1),
            # A node that comes back is wanted back soon; grpc's own waits grow to two minutes.
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
        ]
        if secure:
            credentials = self._grpc.ssl_channel_credentials(ca)
            self._channel = self._grpc.aio.secure_channel(address, credentials, options=options)
        else:
            self._channel = self._grpc.aio.insecure_channel(address, options=options)
        self._calls = {name: self._channel.unary_unary(f"/{SERVICE}/{name}") for name in METHODS}

    async def call(
        self,
        method: str,
        message: bytes,
        *,
        timeout_s: float | None = None,
        metadata: Iterable[tuple[str, str]] = (),
    ) -> bytes:
        """The encoded answer to an encoded message.

        Args:
            method: one of `METHODS`.
            message: encoded.
            timeout_s: after which the call ends with DEADLINE_EXCEEDED (4); None never.
            metadata: headers of this call.

        Raises:
            RpcFailed: no answer; 14 (UNAVAILABLE) when the server cannot be reached or broke off.
        """
        try:
            answer = await self._calls[method](
                message, timeout=timeout_s, metadata=(*self._metadata, *metadata)
            )
        except self._grpc.aio.AioRpcError as fault:
            raise RpcFailed(fault.code().value[0], fault.details() or fault.code().name) from None
        return bytes(answer)

    async def close(self) -> None:
        """Hang up; calls in progress end as cancelled."""
        await self._channel.close()


def _call(method: str, message: bytes, context: Any) -> RpcCall:
    metadata: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            metadata.setdefault(key, value)
    # A deadline that a client did not set shows as one that is centuries away.
    left_s = context.time_remaining()
    far = left_s is None or not left_s < 1e8
    return RpcCall(method, message, metadata, None if far else max(0.0, left_s))


def _grpc() -> Any:
    try:
        grpc = importlib.import_module("grpc")
        importlib.import_module("grpc.aio")
    except ImportError as fault:
        raise SourceUnavailable(
            "gRPC needs grpcio, which is not installed. Run: pip install 'gramwise[serve]'"
        ) from fault
    return grpc
