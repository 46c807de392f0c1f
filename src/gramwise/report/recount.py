"""What can be worked out again from the rows of a run: sums, means and ranks per policy, and how sure a mean
is.

Used for a run that stopped before its summary, and for the spread that the charts draw. A mean, a sum or
a rank with one unknown term is unknown, never that of the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from gramwise.core.series import percentile
from gramwise.report.document import Balance, DecisionTime, Latency, PolicyRow, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """A line of ``outcomes.csv``: one request under one policy. None is unknown."""

    request: str
    policy: str
    repeat: int
    seq: int
    status: str
    node: str
    variant: str
    count: int
    correct: int | None
    arrival_s: float | None
    start_s: float | None
    end_s: float | None
    latency_s: float | None
    attempts: int
    late: bool
    fallback: bool
    cpu_s: float | None
    energy_j: float | None
    carbon_g: float | None
    method: str
    decision_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWindow:
    """A line of ``nodes.csv``: one node over one block of requests. None is unknown."""

    policy: str
    repeat: int
    block: int
    node: str
    window_s: float | None
    attributed_j: float | None
    idle_j: float | None
    overhead_j: float | None
    metered_j: float | None
    attributed_s: float | None
    overhead_s: float | None
    metered_s: float | None


def summary_from_outcomes(
    facts: Mapping[str, object], outcomes: Sequence[OutcomeRow], windows: Sequence[NodeWindow]
) -> Summary:
    """As much of the bench document as the rows of a stopped run support; the rest stays None.

    Bounds, change against the baseline and throughput need the whole run, and are not guessed.
    """
    names = dict.fromkeys(row.policy for row in outcomes)
    caps = facts.get("caps")
    return Summary(
        scenario=str(facts.get("scenario") or "unknown"),
        caps=None if caps is None else str(caps),
        policies=tuple(_policy(name, [row for row in outcomes if row.policy == name]) for name in names),
        balance=balance_of(windows),
    )


def balance_of(windows: Sequence[NodeWindow]) -> Balance:
    """Joules summed over windows; a term is None when any window lacks it, or when there are none."""
    return Balance(
        attributed_j=total(w.attributed_j for w in windows),
        idle_j=total(w.idle_j for w in windows),
        overhead_j=total(w.overhead_j for w in windows),
        metered_j=total(w.metered_j for w in windows),
    )


def total(values: Iterable[float | None]) -> float | None:
    """The sum, or None when there is nothing to add or one term is unknown."""
    known = _whole(values)
    return math.fsum(known) if known else None


def mean_carbon_interval(outcomes: Sequence[OutcomeRow], policy: str) -> tuple[float, float] | None:
    """95 % interval of a policy's mean grams per inference, over its completed requests.

    Requests differ in size, so the mean is the ratio R = sum(c) / sum(n) of grams to inferences, and its
    variance is that of a ratio estimator: ``sum((c_i - R n_i)^2) / (m - 1) / m / mean(n)^2`` for m requests
    (Cochran, Sampling Techniques, 3rd ed., 1977, chapter 6, without the finite-population factor). Normal
    quantile; requests taken as independent. It says how much the requests differ, not how sure the power
    model is.

    Returns:
        low and high in g per inference, or None for fewer than 30 completed requests (where the normal
        quantile is too narrow) or when a request's grams are unknown.
    """
    pairs = [
        (row.carbon_g, row.count) for row in outcomes if row.policy == policy and row.status == "completed"
    ]
    known = [(grams, count) for grams, count in pairs if grams is not None]
    if len(known) < 30 or len(known) < len(pairs):
        return None
    m, inferences = len(known), sum(count for _, count in known)
    mean = math.fsum(grams for grams, _ in known) / inferences
    squares = math.fsum((grams - mean * count) ** 2 for grams, count in known)
    half = NormalDist().inv_cdf(0.975) * math.sqrt(squares / (m - 1) / m) / (inferences / m)
    return mean - half, mean + half


def _policy(name: str, rows: Sequence[OutcomeRow]) -> PolicyRow:
    done = [row for row in rows if row.status == "completed"]
    inferences = sum(row.count for row in done)
    labelled = [row for row in done if row.correct is not None]
    carbon_g = total(row.carbon_g for row in done)
    latencies = _whole(row.latency_s for row in done)
    decisions = _whole(row.decision_s for row in rows)
    return PolicyRow(
        name=name,
        requests=len(rows),
        completed=len(done),
        late=sum(row.late for row in rows),
        fallback=sum(row.fallback for row in rows),
        accuracy_frac=_ratio(total(row.correct for row in labelled), sum(row.count for row in labelled)),
        latency_s=Latency(p50=percentile(latencies, 0.50), p95=percentile(latencies, 0.95)),
        energy_j_per_inference=_ratio(total(row.energy_j for row in done), inferences),
        carbon_g_per_inference=_ratio(carbon_g, inferences),
        inferences_per_g=_ratio(inferences, carbon_g),
        node_share=_shares(row.node for row in done),
        variant_share=_shares(row.variant for row in done),
        decision_s=DecisionTime(p50=percentile(decisions, 0.50), p99=percentile(decisions, 0.99)),
    )


def _whole(values: Iterable[float | None]) -> list[float]:
    found = list(values)
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else []


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or not denominator else numerator / denominator


def _shares(names: Iterable[str]) -> dict[str, float] | None:
    found = list(names)
    return {name: found.count(name) / len(found) for name in sorted(set(found))} or None
