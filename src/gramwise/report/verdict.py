"""Which policy did best, at equal work, and how the result is said in a sentence.

Fewest grams alone is no result: a policy that dropped requests, answered late or used a worse model did other work.
"""

from __future__ import annotations

from collections.abc import Iterable

from gramwise.report.document import PolicyRow, Summary
from gramwise.report.wording import baseline_name, percent, printable, quantity

EQUAL_ACCURACY_FRAC = 0.01
"""How far accuracy may fall below the baseline's at equal work: one point, the bench's own goal."""


def best_at_equal_work(summary: Summary) -> PolicyRow | None:
    """The policy with the fewest grams among those that did the baseline's work, or None when none is known.

    Equal work: as many requests completed as any policy, none more late than under the baseline, and an accuracy
    within one point of the baseline's or above it. A dropped request is not a saving.
    """
    return _fewest_grams(_at_equal_work(summary))


def _fewest_grams(rows: Iterable[PolicyRow]) -> PolicyRow | None:
    known = [(row.carbon_g_per_inference, row) for row in rows if row.carbon_g_per_inference is not None]
    return min(known, key=lambda pair: pair[0], default=(0.0, None))[1]


def _at_equal_work(summary: Summary) -> list[PolicyRow]:
    base = summary.policy(summary.baseline)
    return [row for row in summary.policies if _equal_work(row, base, summary)]


def _equal_work(row: PolicyRow, base: PolicyRow | None, summary: Summary) -> bool:
    most = max((other.completed or 0) for other in summary.policies)
    if not row.completed or row.completed < most:
        return False
    if base is None:
        return True
    in_time = row.late is not None and (base.late is None or row.late <= base.late)
    if base.accuracy_frac is None:
        return in_time
    return (
        in_time
        and row.accuracy_frac is not None
        and row.accuracy_frac >= base.accuracy_frac - EQUAL_ACCURACY_FRAC
    )


def near_best(summary: Summary) -> tuple[PolicyRow, ...]:
    """Policies at equal work whose 95 % interval overlaps the best one's: not told apart from it."""
    best = best_at_equal_work(summary)
    others = [row for row in _at_equal_work(summary) if row is not best]
    return tuple(row for row in others if best is not None and _overlap(row, best))


def _overlap(a: PolicyRow, b: PolicyRow) -> bool:
    ends = (a.change_low_frac, a.change_high_frac, b.change_low_frac, b.change_high_frac)
    a_low, a_high, b_low, b_high = ends
    if a_low is None or a_high is None or b_low is None or b_high is None:
        return False
    return a_low <= b_high and b_low <= a_high


def equal_work_rule(summary: Summary) -> str:
    """What `best_at_equal_work` demands, as a phrase."""
    if summary.policy(summary.baseline) is None:
        return "fewest grams with as many requests completed as any"
    base = printable(summary.baseline)
    return (
        f"fewest grams at equal work: as many requests completed, no more late than {base}, "
        "accuracy within 1 point"
    )


def headline(summary: Summary) -> str:
    """The result in a few sentences, with its interval and the named baseline.

    Where the best policy used other variants of the model than the baseline, the best one with the baseline's own
    variants is named too, so that a smaller model is not taken for better scheduling.
    """
    best, base = best_at_equal_work(summary), summary.policy(summary.baseline)
    if best is None:
        return "No policy's carbon is known at equal work, so none can be called the best."
    if best is base:
        grams = quantity(best.carbon_g_per_inference, "g")
        said = (
            f"No policy emitted less than {baseline_name(summary)}, the baseline, at equal work "
            f"({grams} per inference)."
        )
    else:
        said = _saving(best, summary)
    near = ", ".join(printable(row.name) for row in near_best(summary))
    tied = f" Not told apart from it (95 % intervals overlap): {near}." if near else ""
    return said + tied + _same_variants(best, base, summary)


def _saving(row: PolicyRow, summary: Summary) -> str:
    name = printable(row.name)
    if row.change_frac is None:
        grams = quantity(row.carbon_g_per_inference, "g")
        said = f"{name} emitted the fewest grams at equal work, {grams} CO2e per inference"
        return f"{said}; the change against the baseline is unknown."
    change = (
        f"{_more_or_less(row.change_frac)} CO2e per inference than {baseline_name(summary)}{_interval(row)}"
    )
    said = f"{name} emitted {change}, at equal work"
    if row.captured_b1_frac is None:
        return f"{said}."
    return (
        f"{said}, and captured {percent(row.captured_b1_frac)} % of the saving that the LP bound B1 allows."
    )


def _same_variants(best: PolicyRow, base: PolicyRow | None, summary: Summary) -> str:
    if base is None or not base.variant_share or set(best.variant_share or ()) <= set(base.variant_share):
        return ""
    own = set(base.variant_share)
    row = _fewest_grams(r for r in _at_equal_work(summary) if r.variant_share and set(r.variant_share) <= own)
    only = ", ".join(printable(name) for name in base.variant_share)
    if row is None or row.change_frac is None or row.change_frac >= 0:
        return f" With {only} alone, no policy emitted less than the baseline."
    return f" With {only} alone: {_saving(row, summary)}"


def _more_or_less(frac: float) -> str:
    return f"{percent(abs(frac))} % {'more' if frac > 0 else 'less'}"


def _interval(row: PolicyRow) -> str:
    low, high = row.change_low_frac, row.change_high_frac
    if low is None or high is None:
        return " (95 % interval unknown)"
    if low <= 0 <= high:
        ends = f"{_more_or_less(low)} to {_more_or_less(high)}"
        return f" (95 % interval {ends}, which does not exclude no change)"
    near, far = sorted((abs(low), abs(high)))
    return f" (95 % interval {percent(near)} to {percent(far)} % {'more' if low > 0 else 'less'})"
