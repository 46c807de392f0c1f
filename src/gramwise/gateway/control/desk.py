"""The real ledger behind the control API: what `LedgerView` asks, answered by `gramwise.gateway.ledger`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from gramwise.core.quantity import Basis, Signal

from ..ledger import answers
from ..ledger.ledger import Ledger
from ..ledger.receipts import receipt
from ..ledger.rows import Row, as_document
from ..ledger.schema import OUTCOME_COLUMNS
from .faults import Fault
from .views import Spent

PLANNING = "gramwise-plan"
"""Model and protocol of planning's own rows: one request, no inference, and no latency among those of inferences."""
_OWN_KIND: tuple[Signal, Basis] = ("average", "lifecycle")
"""Of the table that `runtime.ownwork` takes."""


class LedgerDesk:
    """A `LedgerView` of a `Ledger`.

    Args:
        ledger: of the gateway.
        signal, basis: kind of the fleet's intensities. Planning's own grams are average and life-cycle: in a ledger of
            another kind they are left unknown, since a sum of two kinds would be of no kind; its joules stay.
    """

    def __init__(self, ledger: Ledger, *, signal: Signal = "average", basis: Basis = "lifecycle") -> None:
        self._ledger = ledger
        self._kind = (signal, basis)

    def summary(
        self, from_s: float | None, to_s: float | None, where: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """See `LedgerView`; ``joules`` and ``grams`` repeat the two sums, null where nothing is known."""
        with self._ledger.reading() as book:
            found = answers.summary(book, from_s=from_s, to_s=to_s, where=self._span(from_s, to_s, where))
        energy, carbon = found["energy_j"], found["carbon_g"]
        return {
            **found,
            "joules": energy["value"],
            "grams": carbon["value"],
            "since_start": from_s is to_s is None,
        }

    def by(
        self, axis: str, from_s: float | None, to_s: float | None, where: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """See `LedgerView`."""
        with self._ledger.reading() as book:
            return answers.by(book, axis, from_s=from_s, to_s=to_s, where=self._span(from_s, to_s, where))

    def rows(
        self, from_s: float | None, to_s: float | None, where: Mapping[str, str], limit: int
    ) -> Mapping[str, Any]:
        """See `LedgerView`."""
        asked = self._span(from_s, to_s, where)
        with self._ledger.reading() as book:
            first, last = book.ends_s() or (0, 0)
            begin_s, end_s = first if from_s is None else from_s, last if to_s is None else to_s
            found = list(islice(answers.rows_of(book, begin_s, end_s, asked), limit + 1))
        rows = [as_document(OUTCOME_COLUMNS, cells) for cells in found[:limit]]
        return {
            "span": {"from_s": from_s, "to_s": to_s},
            "where": asked,
            "rows": rows,
            "more": len(found) > limit,
        }

    def receipt(self, from_s: float, to_s: float, where: Mapping[str, str]) -> Mapping[str, Any]:
        """See `LedgerView`."""
        with self._ledger.reading() as book:
            return receipt(book, from_s, to_s, where=where)

    def planned(self, spent: Spent) -> None:
        """See `LedgerView`."""
        own = spent.own or {}
        grams = own if self._kind == _OWN_KIND else {}
        self._ledger.append(
            Row(
                request_id=spent.id,
                tenant=spent.tenant,
                arrival_s=spent.began_s,
                start_s=spent.began_s,
                end_s=spent.ended_s,
                status="completed" if spent.status < 500 else "failed",
                model=PLANNING,
                protocol=PLANNING,
                zone=spent.zone,
                http_status=spent.status,
                count=0,
                attempts=1,
                cpu_s=own.get("cpu_s"),
                energy_j=own.get("energy_j"),
                energy_low_j=own.get("energy_low_j"),
                energy_high_j=own.get("energy_high_j"),
                energy_method=str(own.get("method", "")),
                carbon_g=grams.get("carbon_g"),
                carbon_low_g=grams.get("low_g"),
                carbon_high_g=grams.get("high_g"),
                signal=_OWN_KIND[0] if grams else "",
                basis=_OWN_KIND[1] if grams else "",
            )
        )

    def _span(self, from_s: float | None, to_s: float | None, where: Mapping[str, str]) -> dict[str, str]:
        """Without a span, this life of the gateway is meant."""
        if from_s is not None and to_s is not None and from_s > to_s:
            raise Fault(400, "to_s: a span ends after it begins.")
        return dict(where) if from_s is not None or to_s is not None else {"run": self._ledger.run, **where}


class NoLedger:
    """A `LedgerView` of a gateway that runs without accounting."""

    def summary(
        self, from_s: float | None, to_s: float | None, where: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Refused."""
        raise Fault(503, "this gateway runs without accounting and keeps no ledger.")

    def by(
        self, axis: str, from_s: float | None, to_s: float | None, where: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Refused."""
        return self.summary(from_s, to_s, where)

    def rows(
        self, from_s: float | None, to_s: float | None, where: Mapping[str, str], limit: int
    ) -> Mapping[str, Any]:
        """Refused."""
        return self.summary(from_s, to_s, where)

    def receipt(self, from_s: float, to_s: float, where: Mapping[str, str]) -> Mapping[str, Any]:
        """Refused."""
        return self.summary(from_s, to_s, where)

    def planned(self, spent: Spent) -> None:
        """Nothing is written down."""


def spent_by_tenant(ledger: Ledger, since_s: float) -> list[tuple[str, float, float]]:
    """Tenant, joules and grams of all that was served since a moment; what is not known counts as nothing."""
    with ledger.reading() as book:
        groups = answers.by(book, "tenant", from_s=since_s)["groups"]
    return [(g["tenant"], g["energy_j"]["value"] or 0.0, g["carbon_g"]["value"] or 0.0) for g in groups]
