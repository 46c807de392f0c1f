"""What both faces do with a request: who asks, may he, decide, run, write down, and say what it cost."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from dataclasses import dataclass

from gramwise.core.clock import Clock
from gramwise.core.decision import Decision, Request
from gramwise.core.errors import NodeLost
from gramwise.core.quick import quick
from gramwise.gateway.access.door import Door, Identity
from gramwise.gateway.access.quota import Quotas
from gramwise.gateway.ledger.rows import Status
from gramwise.gateway.ledger.spool import LedgerFull
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.head import Scalar
from gramwise.gateway.web.exchange import ClientGone
from gramwise.runtime.engine import MAX_ATTEMPTS, variant_key

from .answer import Answer
from .asked import Asked
from .books import Asker, Books
from .executor import Refused
from .fleet import LiveFleet, Served
from .guiding import Demand
from .recode import as_asked, inputs_of

RETRY_S = 1.0
"""What a client is told to wait that nobody can serve now."""

_FULL = "the ledger is full, and an answer that cannot be accounted for is not given; ask the operator"


@quick
@dataclass(frozen=True, slots=True)
class Done:
    """An answer, and the parameters that it carries."""

    answer: Answer
    values: dict[str, Scalar]


class Desk:
    """Serves requests of both faces.

    Args:
        fleet: decides and runs.
        books: are kept.
        door, quotas: who may.
        clock: of the engine.

    Attributes:
        draining: nothing new is taken.
        demand: told of every request, and of those that could not be, where plans are made; None where none are.
    """

    def __init__(self, fleet: LiveFleet, books: Books, door: Door, quotas: Quotas, clock: Clock) -> None:
        self.fleet, self.books, self.door, self.quotas, self.clock = fleet, books, door, quotas, clock
        self._seq = itertools.count()
        self._draw = random.Random().random
        self.draining = False
        self.demand: Demand | None = None

    async def who(self, authorization: bytes | str | None) -> Identity:
        """Who asks for an inference.

        Raises:
            Denied: nobody who may.
        """
        found = self.door.known(authorization) or await self.door.identify(authorization)
        if "infer" not in found.rights:
            found.require("infer")
        return found

    @property
    def ready(self) -> bool:
        """Whether requests can be served."""
        return not self.draining and any(peer.up for peer in self.fleet.peers.values())

    def model_ready(self, name: str) -> bool:
        """Whether some node serves a model's reference variant now."""
        if self.draining or name not in self.fleet.models:
            return False
        key = variant_key(name, self.fleet.scenario.models[name].reference)
        return any(peer.up and key in peer.names for peer in self.fleet.peers.values())

    def model(self, name: str, version: str = "") -> Served:
        """What is served under a model's name.

        Args:
            name: of the model.
            version: that is asked for; empty for any.

        Raises:
            BadRequest: 404, no such model, or no such version of it.
        """
        found = self.fleet.models.get(name)
        if found is None:
            raise BadRequest(
                404, f"model {name[:80]!r} not found; this gateway serves {', '.join(self.fleet.models)}"
            )
        if version not in ("", "1"):
            raise BadRequest(404, f"model {name!r} has version 1 here, and no other")
        return found

    async def serve(self, asked: Asked, model: str, identity: Identity, protocol: str) -> Done:
        """Take a request to its answer.

        Args:
            asked: its body.
            model: that it asks for.
            identity: who asks.
            protocol: ``http`` or ``grpc``.

        Raises:
            BadRequest: it cannot be served; with the status.
            Denied: a quota is used up.
            ClientGone: the client left before it had sent everything.
        """
        known = self.model(model)
        if not self.fleet.settings.accounting:
            asked.start(self.clock.now_s(), batched=known.batched)
            return await self._plain(asked, model)
        if not self.books.accepts:
            raise BadRequest(503, _FULL, retry_after_s=30.0)
        arrival_s = self.clock.now_s()
        asked.start(arrival_s, batched=known.batched)
        request = self._request(asked, model, arrival_s)
        if self.demand is not None:
            self.demand.came(request)
        admission = self.quotas.admit(identity.tenant) if self.door.asks else None
        asker = Asker(identity.tenant, protocol, admission)
        try:
            return await self._serve(asked, request, asker)
        except BaseException as fault:
            # Whatever ends a request unserved is written down once, under the status that its client is told.
            if self.demand is not None and isinstance(fault, BadRequest | Refused) and fault.status < 500:
                self.demand.never(request)
            if not isinstance(fault, LedgerFull):
                self._unserved(asker, request, asked, fault)
            else:
                if admission is not None:
                    admission.done(served=True)
                raise BadRequest(503, _FULL, retry_after_s=30.0) from fault
            if isinstance(fault, Refused):
                raise BadRequest(
                    fault.status, fault.sentence, retry_after_s=RETRY_S if fault.status == 503 else None
                ) from fault
            raise

    async def _serve(self, asked: Asked, request: Request, asker: Asker) -> Done:
        fleet = self.fleet
        force = fleet.now
        inputs: dict[str, object] = {"": asked}
        if force.staged:
            inputs |= await inputs_of(asked, fleet.settings.most_body_bytes)
        engine = force.engine if request.deferrable_until_s is None else force.patient
        served = await engine.serve(request, inputs)  # type: ignore[arg-type]
        if served.outputs is None:
            if asked.declined:
                raise BadRequest(503, asked.declined, retry_after_s=RETRY_S)
            raise _nobody(request, served.decision, served.outcome.status)
        outputs = served.outputs
        answer = outputs[""] if "" in outputs else as_asked(asked, outputs, {})
        assert isinstance(answer, Answer)
        ask = asked.ask
        limit_s = ask.deadline_s if ask.deadline_s is not None else fleet.scenario.goals.deadline_s
        late = limit_s is not None and served.outcome.cost.latency_s > limit_s
        try:
            return Done(answer, self.books.served(asker, request, served, force.places, late=late))
        except LedgerFull:
            if answer.reply is not None:
                answer.reply.abandon()
            raise

    async def _plain(self, asked: Asked, model: str) -> Done:
        """Without accounting nothing is decided either: the node with the fewest requests has it, or the next one."""
        fleet = self.fleet
        key = variant_key(model, fleet.scenario.models[model].reference)
        for _ in range(MAX_ATTEMPTS):
            there = [
                peer
                for peer in fleet.peers.values()
                if peer.up and key in peer.names and peer.name not in asked.tried
            ]
            if not there:
                break
            peer = min(there, key=lambda each: each.http.in_flight)
            try:
                answer = await fleet.executor.ask(peer, peer.names[key], asked, self.clock.now_s())
            except NodeLost:
                if not peer.up:
                    fleet.now.world.lost(peer.name)
                continue
            except Refused as fault:
                raise BadRequest(fault.status, fault.sentence) from fault
            return Done(answer, {})
        why = asked.declined or f"no node can serve {model} now; try again"
        raise BadRequest(503, why, retry_after_s=RETRY_S)

    def _request(self, asked: Asked, model: str, arrival_s: float) -> Request:
        fleet, ask = self.fleet, asked.ask
        until_s, floor_frac = ask.defer_until_unix_s, ask.accuracy_floor_frac
        if until_s is not None and until_s - arrival_s > fleet.settings.longest_defer_s:
            most_s = fleet.settings.longest_defer_s
            raise BadRequest(400, f"defer_until_unix_s is more than {most_s:g} s away, the most here")
        return Request(
            id=self.books.new_id(),
            seq=next(self._seq),
            draw=self._draw(),
            model=model,
            arrival_s=arrival_s,
            deadline_s=ask.deadline_s or fleet.deadline_s,
            count=asked.count,
            accuracy_floor_frac=fleet.floor_frac if floor_frac is None else floor_frac,
            allowed_zones=fleet.allowed_zones,
            deferrable_until_s=until_s if until_s is not None and until_s > arrival_s else None,
        )

    def _unserved(self, asker: Asker, request: Request, asked: Asked, fault: BaseException) -> None:
        status: Status = "failed"
        http: int | None = 500
        if isinstance(fault, _Nobody):
            status, http = fault.outcome, fault.status
        elif isinstance(fault, BadRequest | Refused):
            http = fault.status
            if 400 <= http < 500:  # the request's own fault, by the word of a node as by ours
                status = "refused"
        elif isinstance(fault, ClientGone | asyncio.CancelledError):
            http = None
        # It was refused anyway, and the ledger counts what it cannot take.
        with contextlib.suppress(LedgerFull):
            self.books.unserved(
                asker, request, status, http, asked.tried, self.fleet.now.places, self.clock.now_s()
            )


class _Nobody(BadRequest):
    """No node served a request."""

    def __init__(self, outcome: Status, status: int, sentence: str) -> None:
        super().__init__(status, sentence, retry_after_s=RETRY_S if status in (429, 503) else None)
        self.outcome = outcome


def _nobody(request: Request, decision: Decision, outcome: str) -> _Nobody:
    """Why, in a sentence that names no machine."""
    if outcome == "lost":
        return _Nobody("lost", 503, "the nodes that had this request died, or had no room; try again")
    reasons = {verdict.rejected_by for verdict in decision.verdicts}
    if reasons <= {"accuracy"}:
        floor = request.accuracy_floor_frac
        return _Nobody("refused", 400, f"no variant of {request.model} is known to be as accurate as {floor}")
    if reasons <= {"zone", "accuracy"}:
        return _Nobody("refused", 400, f"no node that serves {request.model} stands in an allowed zone")
    return _Nobody("refused", 503, f"no node can serve {request.model} now; try again")
