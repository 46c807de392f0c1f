"""The bench document (``gramwise.bench/1``) as typed records: what ``summary.json`` holds and reports print.

Every number may be None, which means unknown and is printed so. Keys that this version does not know are
passed over, so that a newer bench may say more; a key of the wrong type is refused with its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gramwise.core.errors import RunDirectoryError
from gramwise.core.quantity import Quantity

SCHEMA = "gramwise.bench/1"
VIRTUAL = "virtual"
"""``caps`` where no kernel limit held the CPU shares; such times are never compared with capped ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Arrival to answer, seconds, nearest rank."""

    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionTime:
    """Seconds a decision took, nearest rank."""

    p50: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One policy's results. Per-inference numbers are means over completed inferences.

    Attributes:
        requests, completed, late, fallback: counts of requests.
        accuracy_frac: correct answers over labelled ones.
        carbon_g_per_inference: the marginal (dynamic) part; idle and transfer stand apart.
        change_frac, change_low_frac, change_high_frac: carbon against the baseline policy, with its 95 %
            interval; negative is less.
        node_share, variant_share: share of completed requests, 0 to 1.
        gap_b1_frac: carbon over the LP bound, minus one.
        captured_b0_frac, captured_b1_frac: (baseline - policy) / (baseline - bound).
        carbon: ``carbon_g_per_inference`` with the interval of its factors and where it comes from.
    """

    name: str
    requests: int | None = None
    completed: int | None = None
    late: int | None = None
    fallback: int | None = None
    accuracy_frac: float | None = None
    latency_s: Latency = Latency()
    throughput_per_s: float | None = None
    energy_j_per_inference: float | None = None
    idle_g_per_inference: float | None = None
    transfer_g_per_inference: float | None = None
    carbon_g_per_inference: float | None = None
    inferences_per_g: float | None = None
    change_frac: float | None = None
    change_low_frac: float | None = None
    change_high_frac: float | None = None
    node_share: dict[str, float] | None = None
    variant_share: dict[str, float] | None = None
    decision_s: DecisionTime = DecisionTime()
    gap_b1_frac: float | None = None
    captured_b0_frac: float | None = None
    captured_b1_frac: float | None = None
    carbon: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The physical limit in g per inference: B0 without capacity (closed form), B1 with it (LP).

    The plain pair keeps the reference variant; the ``variants`` pair may use any above the accuracy floor.
    """

    b0_g_per_inference: float | None = None
    b1_g_per_inference: float | None = None
    b0_variants_g_per_inference: float | None = None
    b1_variants_g_per_inference: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """One machine of the scenario and what is known of it."""

    name: str
    zone: str | None = None
    device: str | None = None
    cpu_share: float | None = None
    intensity_g_per_kwh: float | None = None
    intensity: Quantity | None = None
    energy_j_per_inference: Quantity | None = None
    idle_w: Quantity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Joules over the run's windows: three parts, each by its own clock, and what a meter read."""

    attributed_j: float | None = None
    idle_j: float | None = None
    overhead_j: float | None = None
    metered_j: float | None = None

    @property
    def parts_j(self) -> float | None:
        """Attributed plus idle plus overhead; None when one of them is unknown."""
        if self.attributed_j is None or self.idle_j is None or self.overhead_j is None:
            return None
        return self.attributed_j + self.idle_j + self.overhead_j

    @property
    def closure_frac(self) -> float | None:
        """The parts over the metered energy; None when either is unknown or nothing was metered."""
        parts_j = self.parts_j
        return None if parts_j is None or not self.metered_j else parts_j / self.metered_j


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The whole bench document."""

    scenario: str
    policies: tuple[PolicyRow, ...]
    caps: str | None = None
    baseline: str | None = None
    baseline_node: str | None = None
    bounds: Bounds = Bounds()
    nodes: tuple[NodeRow, ...] = ()
    balance: Balance = Balance()
    energy_closure_frac: float | None = None
    dynamic_closure_frac: float | None = None
    provenance: tuple[str, ...] = ()
    run_dir: str | None = None
    schema: str = field(default=SCHEMA)

    def policy(self, name: str | None) -> PolicyRow | None:
        """The row of the policy called ``name``, or None."""
        return next((row for row in self.policies if row.name == name), None)


def parse_summary(document: Mapping[str, Any], origin: str = "the bench document") -> Summary:
    """The typed form of a bench document.

    Args:
        document: what ``json.load`` returned, or what bench is about to print.
        origin: file name for error messages.

    Raises:
        RunDirectoryError: another schema, a missing key or a value of the wrong type; names the place.
    """
    schema = document.get("schema")
    if schema != SCHEMA:
        raise RunDirectoryError(
            f"{origin}: schema is {schema!r}, and this gramwise reads {SCHEMA!r}; "
            "read it with the gramwise that wrote it, or run gramwise bench again."
        )
    try:
        summary = msgspec.convert(_without_nulls(document), Summary)
    except msgspec.ValidationError as error:
        raise RunDirectoryError(
            f"{origin} is not a bench document: {error}; run gramwise bench again."
        ) from error
    if not summary.policies:
        raise RunDirectoryError(
            f"{origin}: policies is empty, so there is nothing to show; run gramwise bench again."
        )
    return summary


def _without_nulls(value: Any) -> Any:
    # null and absent both mean unknown; the records say what an unknown looks like.
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list | tuple) else value
