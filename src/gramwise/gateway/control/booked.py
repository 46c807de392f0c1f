"""Plans with what they take counted: against the tenant's quotas before, and in the ledger after, whatever came out."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

from gramwise.core.clock import Clock

from ..access.quota import Quotas
from .bodies import PlanBody
from .faults import Fault
from .planner import Planned, Planner, Unplanned
from .views import LedgerView, Spent


class Booked:
    """A planner whose work is accounted for.

    Args:
        planner: who plans.
        ledger: where it is written down.
        quotas: of tenants.
        clock: for now.
    """

    def __init__(self, planner: Planner, ledger: LedgerView, quotas: Quotas, clock: Clock) -> None:
        self._planner, self._ledger, self._quotas, self._clock = planner, ledger, quotas, clock

    async def plan(self, body: PlanBody, tenant: str) -> Planned:
        """As `Planner.plan`; one that was kept, or refused before work began, costs nothing and is not written down.

        Raises:
            Denied: 429, a quota of the tenant.
            Fault, Unplanned: as `Planner.plan`.
        """
        admission, began_s = self._quotas.admit(tenant), self._clock.now_s()
        own: Mapping[str, Any] | None = None
        status: int | None = 500
        try:
            plan = await self._planner.plan(body, tenant)
            own, status = plan.own, plan.http if plan.own is not None else None
        except Unplanned as fault:
            own, status = fault.own, fault.status
            raise
        except Fault:
            status = None
            raise
        finally:
            told = own or {}
            admission.done(told.get("energy_j"), told.get("carbon_g"), served=status is not None)
            if status is not None:
                await self._write(body, tenant, began_s, status, own)
        return plan

    async def _write(
        self, body: PlanBody, tenant: str, began_s: float, status: int, own: Mapping[str, Any] | None
    ) -> None:
        spent = Spent(
            id=f"plan-{uuid.uuid4().hex}",
            tenant=tenant,
            began_s=began_s,
            ended_s=self._clock.now_s(),
            status=status,
            own=own,
            zone=body.zone or self._planner.settings.zone or "",
        )
        await asyncio.to_thread(self._ledger.planned, spent)
