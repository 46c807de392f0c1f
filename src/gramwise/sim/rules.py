"""The policies of the sweep: what each does with the flows of every hour.

Each is the fluid form of the policy of that name in `gramwise.schedule.policies`: same scores, same prices, same
fractions, with requests as flows. Rules see `View`, which holds what was known at the start of each hour and nothing
of the truth; only `gramwise.sim.fluid.account` prices with the truth. Work that can wait is started by a `Release`
rule; policies without one start it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.optimize.slots import SlotProblem, SlotSolution, solve_slots
from gramwise.runtime.ahead import LEAN_FRAC
from gramwise.sim.case import Case
from gramwise.sim.fluid import Flow, fill, fractions_of, grams, split

if TYPE_CHECKING:
    from gramwise.core.decision import Floats

_ROUNDS = 200
"""Steps of the queue process that are averaged for `lyapunov`: its share of an hour's flow is then within 1 %."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """What is known at the start of each hour.

    Attributes:
        case: for what does not change: costs, nodes, capacity, the flows that come.
        now_g: grams of a request as the hour's intensity is foreseen, (K, P, T).
        plan: the program of each hour solved with what was foreseen of it; None for rules that need none.
    """

    case: Case
    now_g: Floats
    plan: SlotSolution | None = None


def view_of(case: Case, *, solved: bool) -> View:
    """The view of a case; ``solved`` adds the hourly programs."""
    now = case.known_g_per_j[:, :, 0]
    plan = solve_slots(_foreseen(case, now), shed=True) if solved else None
    return View(case=case, now_g=grams(case, now), plan=plan)


def _foreseen(case: Case, now: Floats) -> SlotProblem:
    lean = 1.0 if case.forecast == "perfect" else LEAN_FRAC
    demand = lean * (case.fixed_foreseen + case.waiting_foreseen) * ~case.missing
    return SlotProblem(
        energy_j=case.energy_j,
        busy_s=case.busy_s,
        node=case.node,
        g_per_j=now,
        capacity_s=case.capacity_s,
        arrivals=demand,
        due=demand,
    )


def _at_once(case: Case) -> Floats:
    return case.fixed + case.waiting


def _ranked(view: View, score: Floats) -> Flow:
    case = view.case
    served, unserved, room = fill(score, _at_once(case), case, case.capacity_s)
    return Flow(served=served, unserved=_soonest(case, served, unserved, room), started=case.waiting)


def _by_shares(view: View, shares: Floats, spill: Floats) -> Flow:
    case = view.case
    served, unserved, room = split(shares, spill, _at_once(case), case, case.capacity_s)
    return Flow(served=served, unserved=_soonest(case, served, unserved, room), started=case.waiting)


def _soonest(case: Case, served: Floats, unserved: Floats, room: Floats) -> Floats:
    """Where a policy finds no plan, for instance because no intensity is known yet, the soonest one serves.

    Adds to ``served`` in place and returns what is still unserved: late rather than never is the engine's rule too.
    """
    hours = np.flatnonzero(unserved.any(axis=0))
    if not len(hours):
        return unserved
    more, left, _ = fill(quickest(case, len(hours)), unserved[:, hours], case, room[:, hours])
    served[:, :, hours] += more
    still = unserved.copy()
    still[:, hours] = left
    return still


def quickest(case: Case, hours: int) -> Floats:
    """Latency as a score, (K, P, hours)."""
    latency = np.where(np.isfinite(case.energy_j), case.latency_s, np.inf)
    return np.repeat(latency[:, :, None], hours, axis=2)


def least_grams(view: View) -> Flow:
    """``grams``: energy x intensity, least first."""
    return _ranked(view, view.now_g)


def fastest(view: View) -> Flow:
    """The quickest plan first; the next where its queue has grown to the deadline."""
    return _ranked(view, quickest(view.case, view.case.hours))


def greenest_zone(view: View) -> Flow:
    """The cleanest grid first, whatever the machine there needs; the least energy among plans on one grid."""
    case = view.case
    intensity = case.known_g_per_j[case.node, :, 0]
    # Energy breaks ties only: scaled so that all of it stays below a millionth of the least intensity.
    finite = np.where(np.isfinite(case.energy_j), case.energy_j, 0.0)
    nudge = finite / max(float(finite.max()), 1e-300) * 1e-6
    with np.errstate(invalid="ignore"):
        score = intensity[None] * (1.0 + nudge[:, :, None])
    score[np.broadcast_to(~np.isfinite(case.energy_j)[:, :, None], score.shape)] = np.inf
    return _ranked(view, np.where(np.isnan(score), np.inf, score))


def round_robin(view: View) -> Flow:
    """Every permitted plan in turn, whatever its speed: what a slow node has no time for comes too late."""
    case = view.case
    permitted = np.isfinite(case.energy_j)
    count = permitted.sum(axis=1, keepdims=True)
    shares = np.divide(permitted, count, out=np.zeros(permitted.shape), where=count > 0)
    wanted = shares[:, :, None] * _at_once(case)[:, None, :]
    need = np.zeros_like(case.capacity_s)
    np.add.at(need, case.node, (wanted * case.busy_s[:, :, None]).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(need > case.capacity_s, case.capacity_s / need, 1.0)
    served = wanted * share[case.node][None]
    unserved = np.maximum(_at_once(case) - served.sum(axis=1), 0.0)
    return Flow(served=served, unserved=unserved, started=case.waiting)


def _priced(view: View, price: Floats) -> Floats:
    priced: Floats = view.now_g + price[view.case.node][None] * view.case.busy_s[:, :, None]
    return priced


def _plan(view: View) -> SlotSolution:
    if view.plan is None:
        raise ValueError("this rule needs the hourly programs solved")
    return view.plan


def shadow_price(view: View) -> Flow:
    """Least grams + price x busy seconds, with the prices of the hour's program; equal scores go to the first plan."""
    return _ranked(view, _priced(view, _plan(view).price_g_per_s))


def by_fractions(view: View) -> Flow:
    """Shares from the hour's program, solved with what was foreseen; what a full node cannot take spills by price."""
    plan = _plan(view)
    return _by_shares(view, fractions_of(plan.served), _priced(view, plan.price_g_per_s))


def two_choices(view: View) -> Flow:
    """Two plans drawn by the hour's fractions, the one with fewer grams until its queue has made the other as good."""
    shares = fractions_of(_plan(view).served)
    order = np.argsort(view.now_g, axis=1, kind="stable")
    ranked = np.take_along_axis(shares, order, axis=1)
    after = np.maximum(1.0 - np.cumsum(ranked, axis=1), 0.0)
    # The better of two draws is the i-th unless both draws come later: (share after i-1)^2 - (share after i)^2.
    before = np.concatenate([np.ones_like(after[:, :1]), after[:, :-1]], axis=1)
    best = np.zeros_like(shares)
    np.put_along_axis(best, order, before**2 - after**2, axis=1)
    best *= shares.sum(axis=1, keepdims=True) > 0
    case, nowhere = view.case, np.full(shares.shape, np.inf)
    served, left, room = split(best, nowhere, _at_once(case), case, case.capacity_s)
    more, unserved, room = split(shares, _priced(view, _plan(view).price_g_per_s), left, case, room)
    served += more
    return Flow(served=served, unserved=_soonest(case, served, unserved, room), started=case.waiting)


def lyapunov(view: View) -> Flow:
    """Drift plus penalty: least grams + queue, queues growing where more is sent than served, no forecast of demand.

    In the fluid limit a queue is a price that moves until flows fit: the process is run for `_ROUNDS` steps with ever
    smaller ones and its choices are averaged; what still does not fit spills by grams and price.
    """
    case, demand = view.case, _at_once(view.case)
    dearest = np.where(np.isfinite(view.now_g), view.now_g / case.busy_s[:, :, None], 0.0).max(axis=(0, 1))
    price, room = np.zeros_like(case.capacity_s), np.where(case.capacity_s > 0, case.capacity_s, 1.0)
    rows = [np.flatnonzero(np.isfinite(energy)) for energy in case.energy_j]
    cost = [view.now_g[k, p] for k, p in enumerate(rows)]
    busy = [case.busy_s[k, p][:, None] for k, p in enumerate(rows)]
    shares, hour = np.zeros_like(view.now_g), np.arange(case.hours)
    for step in range(1, _ROUNDS + 1):
        need = np.zeros(case.capacity_s.size)
        for k, p in enumerate(rows):
            best = (cost[k] + price[case.node[p]] * busy[k]).argmin(axis=0)
            np.add.at(need, case.node[p[best]] * case.hours + hour, demand[k] * busy[k][best, 0])
            if step > _ROUNDS // 4:
                shares[k, p[best], hour] += 1.0
        over = need.reshape(price.shape) / room - 1.0
        price = np.clip(price + dearest * over / (4.0 * np.sqrt(step)), 0.0, dearest)
    shares[~np.isfinite(view.now_g)] = 0.0  # nobody is sent where the price is not known
    return _by_shares(view, fractions_of(shares), _priced(view, price))


Rule = Callable[[View], Flow]

RULES: Mapping[str, tuple[Rule, bool]] = {
    "round-robin": (round_robin, False),
    "fastest": (fastest, False),
    "greenest-zone": (greenest_zone, False),
    "grams": (least_grams, False),
    "lyapunov": (lyapunov, False),
    "shadow-price": (shadow_price, True),
    "fractions": (by_fractions, True),
    "two-choices": (two_choices, True),
}
"""By name: the rule, and whether it needs the hourly programs."""


def check_rule(name: str, also: tuple[str, ...] = ()) -> None:
    """Accept a name that the sweep has.

    Raises:
        ConfigError: it has not; names the nearest.
    """
    known = (*RULES, *also)
    if name not in known:
        raise ConfigError(f"the fluid model has no policy {name!r}.", fix=did_you_mean(name, known, 20))
