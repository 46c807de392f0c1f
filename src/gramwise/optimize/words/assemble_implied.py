"""Yes-or-no facts that no word states and the numbers leave no choice about.

"The job needs 9 kWh; no hour can take more than 2.5 kWh" never says that the job may be spread, and yet it must be: a
job that is told by its energy alone, beside a limit below it on the energy of an hour, is done in several hours.
"""

from __future__ import annotations

from collections.abc import Mapping

from gramwise.optimize.knowledge.entry import Model, Symbol

from .assemble_arrays import Array
from .statement import Reading

_LIMITS_J, _LIMITS_W = ("E_own", "E_cap_t"), ("P_own", "P_cap")
_HOUR_S = 3600.0


def implied_spread(
    model: Model, given: Mapping[str, Array], symbols: Mapping[str, Symbol], reading: Reading
) -> Array | None:
    """The flag ``divisible`` where the numbers imply it; None where it is said, not of this model, or not implied.

    Args:
        model: of the family.
        given: arrays so far.
        symbols: of all cards.
        reading: the text, whose words may forbid to interrupt.
    """
    flag = symbols.get("divisible")
    if flag is None or "divisible" not in model.optional or "divisible" in given or "dur" in given:
        return None
    jobs = given.get("E_job")
    if jobs is None or not jobs.complete or any(n.lower() in reading.text.lower() for n in flag.negations):
        return None
    step_s = given["dt"].values[0] if "dt" in given else _HOUR_S
    limits = [(n, v, 1.0) for n in _LIMITS_J if n in given for v in given[n].values]
    limits += [(n, v, step_s) for n in _LIMITS_W if n in given for v in given[n].values]
    binding = next((n for n, v, span in limits if v * span < max(jobs.values) * (1 - 1e-9)), None)
    if binding is None:
        return None
    spots = [(f.start, f.end) for f in (*jobs.figures, *given[binding].figures)]
    return Array(flag, [1.0], ["structure"], spots=spots)
