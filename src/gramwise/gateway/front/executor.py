"""The engine's executor over real nodes: a request goes out as bytes and comes back as an answer, or the node is out.

What a node says of itself decides what happens next: another node is tried where this one could not serve (`NodeLost`);
its answer is passed on where it understood the request and refused it (`Refused`). A node that cannot answer by the
request's deadline stays in service, and the request is tried elsewhere once, while there is time (`Declined`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, cast

import msgspec

from gramwise.core.clock import Clock
from gramwise.core.errors import NodeLost, Rejected, TimedOut
from gramwise.core.protocols import Held, NodeUsage, Ran
from gramwise.core.quantity import Quantity
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.paths import infer_path
from gramwise.gateway.oip.scan import model_bytes, parameters_bytes, scan_reply
from gramwise.gateway.rpc import RpcFailed
from gramwise.gateway.web.client import Reply
from gramwise.runtime.engine import MAX_ATTEMPTS, Declined

from .answer import Answer, read_answer
from .asked import Asked
from .peers import Peer
from .recode import as_asked, for_grpc, for_http, inputs_of, outputs_of
from .unfit import unfit

_MOST_ERROR_BYTES = 65_536
_REST_S = 0.25
"""How long a node is left alone that says it has no room, where it does not say for how long."""

_LONGEST_REST_S = 2.0
GRACE_S = 0.05
"""Beyond a deadline, so that the node's own refusal arrives."""

_NOT_THERE = frozenset({401, 403, 404, 502, 504})
"""Statuses that say something of the node, not of the request."""

_BUSY = frozenset({502, 503, 504})

_HTTP_OF = {3: 400, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 12: 501, 16: 401}
"""HTTP status of a gRPC one, by number; others are 500."""

_TOO_LONG = "larger than max"
"""What gRPC says of a message that is too long, under the status that also stands for a full queue."""

_NO_ANSWER = frozenset({1, 4, 14})
"""gRPC statuses that say that the node did not answer: cancelled, too late, not there."""


class Refused(Rejected):
    """A node understood the request and refused it; trying it elsewhere would not help.

    Args:
        status: HTTP status.
        sentence: the node's, for the client.
        node: that refused.
    """

    def __init__(self, status: int, sentence: str, node: str) -> None:
        self.status, self.sentence, self.node = status, sentence, node
        super().__init__(sentence)


class RemoteExecutor:
    """See `gramwise.core.protocols.Executor`.

    Args:
        peers: by name; may change while it runs.
        clock: of the engine.
        answer_s: longest wait for a node where the request has no deadline.
        most_bytes: of a body that must be looked into.
        unread: heads of answers are passed on unread: nothing is accounted for.
    """

    def __init__(
        self, peers: dict[str, Peer], clock: Clock, *, answer_s: float, most_bytes: int, unread: bool = False
    ) -> None:
        self.peers, self._clock, self._unread = peers, clock, unread
        self._answer_s, self._most_bytes = answer_s, most_bytes
        self._paths: dict[str, bytes] = {}

    def alive(self) -> Mapping[str, bool]:
        """Which nodes can take work."""
        return {name: peer.up for name, peer in self.peers.items()}

    async def run(
        self, node: str, variant: str, inputs: Mapping[str, Any], hold: Collection[str] = ()
    ) -> Ran:
        """Run a request on a node: `Asked` under the empty name, or the tensors of a stage by their names.

        Returns:
            The `Answer` under the empty name, or the stage's outputs; joules as the node told them, else as declared.

        Raises:
            NodeLost: it could not serve; another may. `Declined` where it is well, and only has no time for this one.
            Refused: it refused the request itself.
            BadRequest: the client's body broke off or is not what its head says.
        """
        peer = self.peers.get(node)
        name = peer.names.get(variant) if peer is not None and peer.up else None
        if peer is None or name is None:
            raise NodeLost(f"node {node} does not serve {variant} now")
        whole: Asked | None = inputs.get("")
        asked = whole or for_http(None, inputs, binary=True)
        start_s = self._clock.now_s()
        answer = await self.ask(peer, name, asked, start_s)
        outputs = {"": answer} if whole else await self._outputs(peer, answer)
        peer.heard_s = end_s = self._clock.now_s()
        return Ran(
            outputs=cast("Any", outputs),
            start_s=start_s,
            end_s=end_s,
            cpu_s=answer.number("gramwise_cpu_seconds"),
            energy=answer.energy(node) or _unsaid(peer, variant, asked.count, answer),
        )

    async def ask(self, peer: Peer, name: str, asked: Asked, now_s: float) -> Answer:
        """A node's answer to a request.

        Args:
            peer: the node.
            name: its name for the model.
            asked: the request.
            now_s: Unix seconds.

        Raises:
            As `run`.
        """
        asked.tried.append(peer.name)
        try:
            return await self._asked(peer, name, asked, now_s)
        except BadRequest as fault:
            if fault.status != 502:
                raise
            self._rest(peer, 1.0, fault.sentence)
            raise NodeLost(f"node {peer.name} answered nonsense: {fault.sentence}") from fault

    async def _asked(self, peer: Peer, name: str, asked: Asked, now_s: float) -> Answer:
        left_s = asked.left_s(now_s)
        timeout_s = self._answer_s if left_s is None else max(0.0, left_s) + GRACE_S
        if asked.message and peer.rpc is not None:
            return await self._over_grpc(peer, name, asked.message, left_s, timeout_s, asked)
        if asked.message or peer.dialect == "grpc" or (peer.dialect == "http-json" and asked.wants_binary):
            return await self._recoded(peer, name, asked, left_s, timeout_s)
        return await self._over_http(peer, name, asked, left_s, timeout_s, asked)

    async def _over_http(
        self, peer: Peer, name: str, asked: Asked, left_s: float | None, timeout_s: float, by: Asked
    ) -> Answer:
        """``by`` is the client's own request, of which ``asked`` may be a copy in other words."""
        path = self._paths.get(name)
        if path is None:
            path = self._paths[name] = infer_path(name)
        headers, body = asked.parcel(left_s)
        http = peer.http
        try:
            reply = await http.send(b"POST", path, headers, body, timeout_s=timeout_s)
            if reply.status != 200:
                raise await self._refusal(peer, name, reply, by)
            answer = await read_answer(reply, self._most_bytes, unread=self._unread)
        except Declined:
            raise
        except NodeLost as fault:
            if http is peer.http:  # not one that was hung up on purpose
                peer.out(str(fault))
            raise
        except TimedOut as fault:
            raise self._late(peer, left_s, fault) from fault
        asked.release()
        return answer

    async def _over_grpc(
        self, peer: Peer, name: str, message: bytes, left_s: float | None, timeout_s: float, by: Asked
    ) -> Answer:
        assert peer.rpc is not None
        more = model_bytes(name)
        if left_s is not None:
            more += parameters_bytes({"deadline_ms": max(0.001, 1e3 * left_s)})
        try:
            reply = await peer.rpc.call("ModelInfer", message + more, timeout_s=timeout_s)
        except RpcFailed as fault:
            raise self._rpc_refusal(peer, name, fault, left_s, by) from fault
        return Answer(message=reply, parameters=scan_reply(reply))

    async def _recoded(
        self, peer: Peer, name: str, asked: Asked, left_s: float | None, timeout_s: float
    ) -> Answer:
        """For a node that does not speak as the client does: the tensors are read and written anew."""
        inputs = await inputs_of(asked, self._most_bytes)
        if peer.dialect == "grpc":
            answer = await self._over_grpc(peer, name, for_grpc(asked, inputs), left_s, timeout_s, asked)
        else:
            new = for_http(asked, inputs, binary=peer.dialect == "http-binary")
            answer = await self._over_http(peer, name, new, left_s, timeout_s, asked)
        return as_asked(asked, await outputs_of(answer, self._most_bytes), answer.parameters)

    async def _outputs(self, peer: Peer, answer: Answer) -> Mapping[str, Any]:
        """Of a stage."""
        try:
            return await outputs_of(answer, self._most_bytes)
        except BadRequest as fault:
            self._rest(peer, 1.0, fault.sentence)
            raise NodeLost(f"node {peer.name} answered nonsense: {fault.sentence}") from fault

    async def _refusal(self, peer: Peer, name: str, reply: Reply, asked: Asked) -> Exception:
        """What an answer other than 200 means: another node, or the client."""
        status, after = reply.status, reply.headers.get(b"retry-after", b"")
        sentence = _sentence(await _start(reply))
        broken = status >= 500 and status not in _BUSY  # a server that is busy says nothing of the tensors
        if broken and (why := unfit(asked, peer.metadata.get(name))):
            return Refused(400, why, peer.name)
        if status == 429 or (status == 503 and (after or asked.ask.deadline_s is None)):
            self._rest(peer, float(after) if after.isdigit() else _REST_S, sentence)
            return NodeLost(f"node {peer.name} has no room: {sentence}")
        if status in _NOT_THERE:
            self._rest(peer, _LONGEST_REST_S, f"{status}: {sentence}")
            return NodeLost(f"node {peer.name} answers {status}: {sentence}")
        if status == 503:
            return self._declined(peer, asked, sentence)
        return Refused(status, sentence or f"the node answered {status}", peer.name)

    def _declined(self, peer: Peer, asked: Asked, sentence: str) -> Exception:
        """A node that has no time for this request: another may have, while there is any."""
        asked.declined = sentence or "no node can answer this request by its deadline"
        left_s = asked.left_s(self._clock.now_s())
        if left_s is not None and left_s <= 0.0:
            return Refused(504, "the deadline passed before a node answered", peer.name)
        if len(asked.tried) >= MAX_ATTEMPTS:
            return Refused(503, asked.declined, peer.name)
        return Declined(peer.name, asked.declined)

    def _rpc_refusal(
        self, peer: Peer, name: str, fault: RpcFailed, left_s: float | None, asked: Asked
    ) -> Exception:
        if fault.code not in _NO_ANSWER and _HTTP_OF.get(fault.code, 500) >= 500:
            why = unfit(asked, peer.metadata.get(name))
            if why:
                return Refused(400, why, peer.name)
        if fault.code == 8 and _TOO_LONG in fault.sentence:
            return Refused(413, f"this request is longer than its node takes: {fault.sentence}", peer.name)
        if fault.code == 4:
            return self._late(peer, left_s, TimedOut(fault.sentence))
        if fault.code == 8 or (fault.code == 14 and left_s is not None and "deadline" in fault.sentence):
            if fault.code == 14:
                return self._declined(peer, asked, fault.sentence)
            self._rest(peer, _REST_S, fault.sentence)
            return NodeLost(f"node {peer.name} has no room: {fault.sentence}")
        if fault.code in (1, 14):
            peer.out(fault.sentence)
            return NodeLost(f"node {peer.name}: {fault.sentence}")
        status = _HTTP_OF.get(fault.code, 500)
        if status in _NOT_THERE:
            self._rest(peer, _LONGEST_REST_S, fault.sentence)
            return NodeLost(f"node {peer.name}: {fault.sentence}")
        return Refused(status, fault.sentence, peer.name)

    def _late(self, peer: Peer, left_s: float | None, fault: TimedOut) -> Exception:
        """No answer in time: the client's deadline is over, or the node hangs."""
        if left_s is not None:
            return Refused(504, "the deadline passed before a node answered", peer.name)
        peer.out(str(fault))
        return NodeLost(str(fault))

    def _rest(self, peer: Peer, rest_s: float, why: str) -> None:
        """Leave a node alone for a moment; the looks at its readiness bring it back."""
        peer.rest(min(max(rest_s, _REST_S), _LONGEST_REST_S), why, asyncio.get_running_loop().time())

    def release(self, held: Iterable[Held]) -> None:
        """Nothing: tensors between stages pass through the gateway and are held nowhere else."""

    async def usage(self, node: str) -> NodeUsage:
        """Of a node's own account; nothing is metered from here."""
        return NodeUsage(attributed_s=math.nan, overhead_s=None, metered_s=None)

    async def close(self) -> None:
        """Hang up on every node; they go on."""
        for peer in self.peers.values():
            await peer.close()


def _unsaid(peer: Peer, variant: str, count: int, answer: Answer) -> Quantity | None:
    """Joules that the node did not tell: its CPU seconds at their price, else as declared; None where neither is."""
    cpu_s = answer.number("gramwise_cpu_seconds")
    each, factor = peer.price, cpu_s
    if each is None or not 0.0 <= cpu_s < math.inf:
        each, factor = peer.declared.get(variant), float(count)
    if each is None:
        return None
    return Quantity(
        value=each.value * factor,
        low=each.low * factor,
        high=each.high * factor,
        unit="J",
        method=each.method,
        boundary=each.boundary,
        source=each.source,
    )


async def _start(reply: Reply) -> bytes:
    try:
        return await reply.body.read(_MOST_ERROR_BYTES)
    except BadRequest:
        reply.abandon()
        return b""


def _sentence(body: bytes) -> str:
    """The sentence of the protocol's error object; other text as it stands, shortened."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return body[:200].decode("utf-8", "replace").strip()
    sentence = told.get("error") or told.get("detail") if isinstance(told, dict) else told
    return str(sentence)[:1000]
