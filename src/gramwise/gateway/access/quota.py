"""Quotas of tenants: requests a second, requests at a time, joules and grams a day; 429, and when to return.

Budgets are of the UTC day and compared with what is known to be spent; what is not known counts against nothing and
is counted as unknown. A request is let in while anything is left, so that those under way may overshoot a budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from gramwise.core.clock import Clock, SystemClock
from gramwise.core.units import S_PER_DAY

from .denied import Denied
from .keys import Limits


class _Tenant:
    """What one tenant has under way and has spent today."""

    __slots__ = (
        "carbon_g",
        "day",
        "energy_j",
        "filled_s",
        "tokens",
        "underway",
        "unknown_carbon",
        "unknown_energy",
    )

    def __init__(self, now_s: float) -> None:
        self.tokens, self.filled_s, self.underway = math.inf, now_s, 0
        self.start(_day(now_s))

    def start(self, day: int) -> None:
        """A new day."""
        self.day, self.energy_j, self.carbon_g, self.unknown_energy, self.unknown_carbon = day, 0.0, 0.0, 0, 0


class Admission:
    """A request that was let in. Call `done` exactly when it is over; a second call does nothing."""

    __slots__ = ("_quotas", "_tenant")

    def __init__(self, quotas: Quotas, tenant: str) -> None:
        self._quotas: Quotas | None = quotas
        self._tenant = tenant

    def done(
        self, energy_j: float | None = None, carbon_g: float | None = None, *, served: bool = True
    ) -> None:
        """It is over.

        Args:
            energy_j, carbon_g: marginal joules and grams; None, or not a number, where they are not known.
            served: whether anything was spent at all; False for a request that reached no node.
        """
        if self._quotas is not None:
            quotas, self._quotas = self._quotas, None
            quotas.over(self._tenant, energy_j, carbon_g, served)


class Quotas:
    """Lets requests of tenants in, or not.

    Args:
        limits: of a tenant, read at every request (`Door.limits`).
        clock: for rates and days.
    """

    def __init__(self, limits: Callable[[str], Limits], clock: Clock | None = None) -> None:
        self._limits, self._clock = limits, clock or SystemClock()
        self._tenants: dict[str, _Tenant] = {}

    def admit(self, tenant: str) -> Admission:
        """Let a request in.

        Args:
            tenant: of a checked key, so that the names are the operator's own; empty where no keys are asked for.

        Raises:
            Denied: 429, with the quota that is used up and when to come again.
        """
        limits, state, now_s = self._limits(tenant), self._state(tenant), self._clock.now_s()
        _check_budgets(tenant, limits, state, now_s)
        if limits.concurrent is not None and state.underway >= limits.concurrent:
            raise Denied(
                429,
                f"tenant {tenant!r} may have {limits.concurrent} requests under way at a time.",
                retry_after_s=1.0,
            )
        if limits.requests_per_s is not None:
            _draw(tenant, limits, state, now_s)
        state.underway += 1
        return Admission(self, tenant)

    def over(self, tenant: str, energy_j: float | None, carbon_g: float | None, served: bool) -> None:
        """For `Admission.done`."""
        state = self._state(tenant)
        state.underway -= 1
        if served:
            self._add(state, energy_j, carbon_g)

    def seed(self, tenant: str, energy_j: float, carbon_g: float) -> None:
        """What the ledger says that a tenant has spent since the start of this UTC day: a restart forgives nothing."""
        state = self._state(tenant)
        state.energy_j, state.carbon_g = energy_j, carbon_g

    def usage(self, tenant: str) -> dict[str, Any]:
        """Of this UTC day: spent, left (None without a budget), and requests whose energy or carbon is unknown."""
        limits, state = self._limits(tenant), self._state(tenant)
        return {
            "tenant": tenant,
            "limits": msgspec.structs.asdict(limits),
            "underway": state.underway,
            "energy_j": state.energy_j,
            "carbon_g": state.carbon_g,
            "energy_left_j": _left(limits.energy_j_per_day, state.energy_j),
            "carbon_left_g": _left(limits.carbon_g_per_day, state.carbon_g),
            "unknown_energy": state.unknown_energy,
            "unknown_carbon": state.unknown_carbon,
        }

    def _state(self, tenant: str) -> _Tenant:
        now_s = self._clock.now_s()
        state = self._tenants.get(tenant)
        if state is None:
            state = self._tenants[tenant] = _Tenant(now_s)
        elif state.day != _day(now_s):
            state.start(_day(now_s))
        return state

    @staticmethod
    def _add(state: _Tenant, energy_j: float | None, carbon_g: float | None) -> None:
        if energy_j is None or not math.isfinite(energy_j):
            state.unknown_energy += 1
        else:
            state.energy_j += energy_j
        if carbon_g is None or not math.isfinite(carbon_g):
            state.unknown_carbon += 1
        else:
            state.carbon_g += carbon_g


def _check_budgets(tenant: str, limits: Limits, state: _Tenant, now_s: float) -> None:
    for budget, spent, unit in (
        (limits.energy_j_per_day, state.energy_j, "J"),
        (limits.carbon_g_per_day, state.carbon_g, "g of CO2e"),
    ):
        if budget is not None and spent >= budget:
            raise Denied(
                429,
                f"tenant {tenant!r} has spent its {budget:g} {unit} of this UTC day.",
                retry_after_s=(_day(now_s) + 1) * S_PER_DAY - now_s,
            )


def _draw(tenant: str, limits: Limits, state: _Tenant, now_s: float) -> None:
    """Take a token from the tenant's bucket, which `requests_per_s` fills up to `burst`."""
    rate = limits.requests_per_s or math.inf
    most = float(limits.burst or max(1, math.ceil(rate)))
    state.tokens = min(most, state.tokens + (now_s - state.filled_s) * rate)
    state.filled_s = now_s
    if state.tokens < 1.0:
        raise Denied(
            429,
            f"tenant {tenant!r} may send {rate:g} requests a second.",
            retry_after_s=(1.0 - state.tokens) / rate,
        )
    state.tokens -= 1.0


def _left(budget: float | None, spent: float) -> float | None:
    return None if budget is None else max(0.0, budget - spent)


def _day(now_s: float) -> int:
    return int(now_s // S_PER_DAY)
