"""A node's answer on its way to the client: what it tells of energy is read, its tensors are not.

A small answer is taken whole before the client sees a byte, so that a node that dies while it answers costs one try
elsewhere. A large one streams behind its head.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from gramwise.core.quantity import Boundary, Method, Quantity
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.head import JSON_SIZE_HEADER, Scalar, read_json_size
from gramwise.gateway.web.client import Reply
from gramwise.gateway.web.exchange import JSON, Exchange

from .asked import OCTETS

WHOLE_BYTES = 262_144
"""An answer that is no larger is read whole before it is passed on."""

FLOWING_BYTES = 262_144
"""Bytes that are written to a client between two looks at whether it takes them."""

_BOUNDARIES: Mapping[str, Boundary] = {"chip": "chip", "board": "board", "wall": "wall", "site": "site"}
_METHODS: Mapping[str, Method] = {"measured": "measured", "modelled": "modelled", "assumed": "assumed"}


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PARAMETERS = msgspec.json.Decoder(dict[str, Scalar] | None)


class Answer:
    """A node's answer.

    Attributes:
        json: its head, over HTTP.
        fields: of the head, each as its own text.
        binary: binary tensors follow the head.
        rest: bytes behind the head that are here.
        reply: where more is still to come; None where all is here.
        message: the encoded answer, over gRPC.
        parameters: as the node told them.
        nbytes: of all of it, as far as known.
    """

    __slots__ = ("binary", "fields", "json", "message", "nbytes", "parameters", "reply", "rest")

    def __init__(
        self,
        *,
        json: bytes = b"",
        fields: dict[str, msgspec.Raw] | None = None,
        rest: bytes = b"",
        binary: bool = False,
        reply: Reply | None = None,
        message: bytes = b"",
        parameters: Mapping[str, Scalar] | None = None,
    ) -> None:
        self.json, self.fields, self.rest, self.binary, self.reply = json, fields or {}, rest, binary, reply
        self.message, self.parameters = message, parameters or {}
        self.nbytes = len(json) + len(rest) + len(message)

    def energy(self, node: str) -> Quantity | None:
        """The marginal joules that the node told; None where it told none that make sense."""
        return told_energy(self.parameters, node)

    def number(self, name: str) -> float:
        """A number that the node told; NaN where it told none."""
        return _number(self.parameters.get(name))

    def head(self, model: str, values: Mapping[str, Scalar]) -> bytes:
        """Its head for the client: under the name that the client asked for, and with more parameters.

        Everything else keeps its text byte for byte; all of it, where the head was not read.
        """
        fields = self.fields
        if not fields:
            return self.json
        fields["model_name"] = msgspec.Raw(msgspec.json.encode(model))
        if values:
            fields["parameters"] = msgspec.Raw(msgspec.json.encode({**self.parameters, **values}))
        return msgspec.json.encode(fields)

    async def send(self, exchange: Exchange, model: str, values: Mapping[str, Scalar]) -> None:
        """Pass it on.

        Args:
            exchange: of the client.
            model: that the client asked for.
            values: parameters to add.

        Raises:
            NodeLost, TimedOut: what was still to come did not; the client's connection is dropped.
            ClientGone: the client left.
        """
        head = self.head(model, values)
        headers = (OCTETS, (JSON_SIZE_HEADER, b"%d" % len(head))) if self.binary else (JSON,)
        if self.reply is None:
            exchange.reply(200, headers, (head, self.rest))
            return
        body = self.reply.body
        known = None if body.nbytes is None else body.nbytes - len(self.json) + len(head)
        try:
            exchange.begin(200, headers, known)
            exchange.write(head)
            exchange.write(self.rest)
            written = len(self.rest)
            async for chunk in body:
                exchange.write(chunk)
                written += len(chunk)
                if written >= FLOWING_BYTES:
                    written = 0
                    await exchange.flowing()
            exchange.end()
        except BaseException:
            exchange.abort()
            self.reply.abandon()
            raise


async def read_answer(reply: Reply, limit_bytes: int, *, unread: bool = False) -> Answer:
    """Take a node's answer: whole where it is small, else its head.

    Args:
        reply: with status 200, of which nothing was read.
        limit_bytes: of an answer without binary tensors, which must be read whole.
        unread: pass its head on as it is.

    Raises:
        BadRequest: 502, the node answered what makes no sense.
        NodeLost, TimedOut: it did not answer to the end.
    """
    try:
        body = reply.body
        size = read_json_size(reply.headers.get(JSON_SIZE_HEADER))
        if size is None or (body.nbytes is not None and body.nbytes <= WHOLE_BYTES):
            chunks = body.whole()
            data = chunks[0] if chunks and len(chunks) == 1 else await body.read(limit_bytes)
            return parsed(data, size, None, unread=unread)
        beginning = b""
        async for chunk in body:
            beginning += chunk
            if len(beginning) >= size:
                break
        return parsed(beginning, size, reply, unread=unread)
    except BadRequest as fault:  # the client did nothing wrong, whatever the node's answer is
        reply.abandon()
        raise BadRequest(502, fault.sentence) from None


def parsed(data: bytes, size: int | None, reply: Reply | None, *, unread: bool = False) -> Answer:
    """An answer from its beginning.

    Args:
        data: the head, and what of the rest is here.
        size: of the head; None where all is JSON.
        reply: where more is still to come.
        unread: look at nothing but its length.

    Raises:
        BadRequest: 502, it makes no sense.
    """
    if size is not None and not 0 < size <= len(data):
        raise BadRequest(502, "the node's answer is shorter than its head")
    json = data if size is None else data[:size]
    if unread:
        rest = b"" if size is None else data[size:]
        return Answer(json=json, rest=rest, binary=size is not None, reply=reply)
    try:
        fields = _FIELDS.decode(json)
        told = _PARAMETERS.decode(fields["parameters"]) if "parameters" in fields else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise BadRequest(502, f"the node's answer is not the protocol's JSON: {fault}") from None
    if "outputs" not in fields:
        raise BadRequest(502, "the node's answer has no outputs")
    rest = b"" if size is None else data[size:]
    return Answer(json=json, fields=fields, rest=rest, binary=size is not None, reply=reply, parameters=told)


def told_energy(parameters: Mapping[str, Any], node: str) -> Quantity | None:
    """Marginal joules from response parameters; None where there are none that make sense.

    Args:
        parameters: of the answer.
        node: that told them.
    """
    value = parameters.get("energy_joules")
    low, high = parameters.get("energy_joules_low", value), parameters.get("energy_joules_high", value)
    if not (type(value) is float and type(low) is float and type(high) is float):
        value, low, high = _number(value), _number(low), _number(high)
    if not 0.0 <= low <= value <= high < math.inf:  # False wherever one is NaN: nobody knows what it took
        return None
    return Quantity(
        value=value,
        low=low,
        high=high,
        unit="J",
        method=_METHODS.get(str(parameters.get("energy_method")), "assumed"),
        boundary=_BOUNDARIES.get(str(parameters.get("energy_boundary")), "board"),
        source=f"told by node {node}",
    )


def _number(value: object) -> float:
    """As a float; NaN for what is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
