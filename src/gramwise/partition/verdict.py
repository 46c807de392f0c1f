"""Why a plan is split, or why no split can pay: said in words, proven by solving the problem again without each goal.

Placing a layer costs what its node's time and grid make of it, and transfers cost nothing or more. If one node is the
cheapest for every layer, it attains the sum of the least costs without any transfer, so no split can beat it. A split
therefore needs one of five reasons (method: carbon-aware inference, section 3.2). Each goal is lifted in turn and the
problem solved again: the difference is the goal's price, and where lifting it makes the split go away, it is a reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gramwise.core.errors import GramwiseError
from gramwise.core.machines import Node

from .build import Goals, budgets
from .problem import GIVEN, SLACK, Problem, evaluate
from .solver import PartitionResult, solve_problem

MEMORY, AFFINITY, LATENCY, RATE, DATA, FULL = (
    "memory",
    "operator affinity",
    "latency goal",
    "throughput goal",
    "data location",
    "full node",
)
"""The five reasons, with the two kinds of time goal told apart."""

_WHY = {
    MEMORY: "the model does not fit on the node that would be best",
    AFFINITY: "different nodes are the cheapest for different layers, by more than the transfers cost",
    LATENCY: "the node that would be best misses the latency limit",
    RATE: "the node that would be best cannot sustain the rate",
    DATA: "the input is born elsewhere, and a tensor inside the network is cheaper to move than the input",
    FULL: "the node that would be best is taken by other work",
}


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a goal costs: the best plan with it, less the best plan without it.

    Attributes:
        goal: which goal is lifted.
        carbon_g, energy_j, latency_s: differences, with the goal less without it; None where the problem without it
            was not solved.
        splits_without: whether the best plan without it is split.
        exact: both plans are proven best.
    """

    goal: str
    carbon_g: float | None
    energy_j: float | None
    latency_s: float | None
    splits_without: bool
    exact: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Why the plan is as it is.

    Attributes:
        reason: one or two sentences.
        reasons: those of the five that apply, empty where the plan is not split or its split lowers nothing.
        prices: of every goal that is set.
        best_single: name of the best node alone that keeps every limit, None where there is none.
        best_single_value: its figure of the objective; inf where there is none.
    """

    reason: str
    reasons: tuple[str, ...]
    prices: tuple[Price, ...]
    best_single: str | None
    best_single_value: float


def judge(
    found: PartitionResult,
    nodes: Sequence[Node],
    goals: Goals,
    tell: Callable[[str], None] = lambda _text: None,
) -> Verdict:
    """Why a plan is split or not, and what each goal costs.

    Args:
        found: the plan, as `solve` gives it.
        nodes, goals: what the problem was built from.
        tell: hears what is being solved again.

    Returns:
        The verdict. Where a method without proof found the plan, it says so.
    """
    p = found.problem
    lifted: list[tuple[str, PartitionResult]] = []
    prices = []
    for goal, easier, chosen in _lifted(p, nodes, goals):
        tell(f"the price of {goal}")
        try:
            without = solve_problem(easier)
        except GramwiseError:
            prices += [_price(goal, found, None)] if chosen else []
            continue
        lifted.append((goal, without))
        prices += [_price(goal, found, without)] if chosen else []
    single, single_value = _best_single(p)
    if not found.split:
        return Verdict(
            reason=_why_whole(found, single_value),
            reasons=(),
            prices=tuple(prices),
            best_single=single,
            best_single_value=single_value,
        )
    idle = _why_idle(found, single, single_value)
    if idle:
        return Verdict(
            reason=idle,
            reasons=(),
            prices=tuple(prices),
            best_single=single,
            best_single_value=single_value,
        )
    reasons = tuple(goal for goal, without in lifted if not without.split) or _together(
        found, lifted, nodes, goals
    )
    return Verdict(
        reason=_why_split(found, reasons, single, single_value),
        reasons=reasons,
        prices=tuple(prices),
        best_single=single,
        best_single_value=single_value,
    )


def _why_idle(found: PartitionResult, single: str | None, value: float) -> str:
    """Why a split that a rule made is no answer; empty where it lowers the objective within the limits."""
    by_rule = f"{found.method} splits by its rule"
    if not found.feasible:
        return f"{by_rule}, which looks at no limits, and this plan breaks one or more of them."
    if single is None or value > found.value * (1 + SLACK):
        return ""
    alone, split = _figure(found.problem, value), _figure(found.problem, found.value)
    return f"{by_rule}, and that lowers nothing: {single} alone needs {alone}, the split {split}."


def _lifted(p: Problem, nodes: Sequence[Node], goals: Goals) -> list[tuple[str, Problem, bool]]:
    """The problem without each limit, and whether somebody chose that limit, so that it has a price."""
    none = np.full(p.k, math.inf)
    easier = []
    if p.memory_binds:
        easier.append((MEMORY, replace(p, memory_bytes=none), True))
    if math.isfinite(p.latency_limit_s):
        easier.append((LATENCY, replace(p, latency_limit_s=math.inf), True))
    if goals.rate_per_s:
        slow = replace(goals, rate_per_s=None)
        easier.append((RATE, replace(p, budget_s=budgets(nodes, slow), link_budget_s=math.inf), True))
    if any(goals.taken_frac.values() if goals.taken_frac else ()):
        easier.append((FULL, replace(p, budget_s=budgets(nodes, replace(goals, taken_frac=None))), True))
    easier.append((DATA, _anywhere(p), p.origin != p.k or p.input_stays or p.destination != p.k))
    return easier


def _anywhere(p: Problem) -> Problem:
    """The input is at hand on every node, and the answer is wanted nowhere in particular."""
    inside = tuple(t._replace(wanted=False) for t in p.tensors if t.producer != GIVEN)
    return replace(p, tensors=tuple(t for t in inside if t.consumers), input_stays=False)


def _price(goal: str, found: PartitionResult, without: PartitionResult | None) -> Price:
    if without is None:
        return Price(
            goal=goal, carbon_g=None, energy_j=None, latency_s=None, splits_without=found.split, exact=False
        )
    return Price(
        goal=goal,
        carbon_g=found.cost.carbon_g - without.cost.carbon_g,
        energy_j=found.cost.energy_j - without.cost.energy_j,
        latency_s=found.cost.latency_s - without.cost.latency_s,
        splits_without=without.split,
        exact=found.exact and without.exact,
    )


def _together(
    found: PartitionResult, lifted: Sequence[tuple[str, PartitionResult]], nodes: Sequence[Node], goals: Goals
) -> tuple[str, ...]:
    """No single goal explains the split: it is in the nodes themselves, or several goals force it together."""
    p = found.problem
    if p.objective == "throughput":  # what several nodes do at the same time is what shortens a period
        return (RATE,)
    free = replace(
        _anywhere(p),
        memory_bytes=np.full(p.k, math.inf),
        latency_limit_s=math.inf,
        budget_s=budgets(nodes, replace(goals, rate_per_s=None, taken_frac=None)),
        link_budget_s=math.inf,
    )
    try:
        if solve_problem(free).split:
            return (AFFINITY,)
    except GramwiseError:
        return (AFFINITY,)
    return tuple(goal for goal, without in lifted) or (DATA,)


def _best_single(p: Problem) -> tuple[str | None, float]:
    """The best node alone that keeps every limit, and its figure."""
    costs = evaluate(p, np.array([[node] * p.n for node in range(p.k)]))
    values = np.where(costs.feasible, costs.value(p.objective), math.inf)
    best = int(values.argmin())
    return (p.nodes[best], float(values[best])) if math.isfinite(values[best]) else (None, math.inf)


def _figure(p: Problem, value: float) -> str:
    units = {"carbon": (1e6, "µg"), "energy": (1e3, "mJ"), "latency": (1e3, "ms"), "throughput": (1e3, "ms")}
    factor, unit = units[p.objective]
    return f"{value * factor:.4g} {unit}"


_NOUN = {"carbon": "carbon", "energy": "energy", "latency": "the latency", "throughput": "the period"}


def _why_whole(found: PartitionResult, value: float) -> str:
    p = found.problem
    node = found.placement[0]
    name, noun = p.nodes[node], _NOUN[p.objective]
    if p.objective == "throughput":
        return (
            f"No split can shorten {noun}: {name} alone is as quick as any pipeline."
            if found.exact
            else _unproven(p)
        )
    least = p.layer_cost.min(axis=1)
    here = p.layer_cost[:, node]
    cheapest = bool((here <= least).all())
    if cheapest and found.value <= (float(least.sum()) + _ends(p)) * (1 + SLACK):
        return (
            f"No split can lower {noun}: {name} is the cheapest for every one of the {p.n} layers, and a transfer"
            " costs nothing or more."
        )
    if not found.exact:
        return _unproven(p)
    if cheapest:
        return (
            f"No split lowers {noun}: {name} is the cheapest for every one of the {p.n} layers, and bringing the input"
            f" or the answer by way of another node saves less than it costs (proven by {found.method})."
        )
    better, saving = int((here > least).sum()), _figure(p, float((here - least).sum()))
    return (
        f"No split lowers {noun}: {better} of {p.n} layers are cheaper elsewhere, by {saving}"
        f" in all of {_figure(p, value)}, and moving the tensors there costs more (proven by {found.method})."
    )


def _ends(p: Problem) -> float:
    """What bringing the inputs from outside and the answers back costs at least, wherever the layers run."""
    total = 0.0
    for i, tensor in enumerate(p.tensors):
        if tensor.producer == GIVEN:
            if p.origin == p.k and tensor.consumers:
                total += float(p.move_cost[i, p.k, : p.k].min())
        elif tensor.wanted and p.destination == p.k:
            total += float(p.move_cost[i, : p.k, p.k].min())
    return total


def _unproven(p: Problem) -> str:
    return f"No split was found that lowers {_NOUN[p.objective]}; that none exists is not proven."


def _why_split(found: PartitionResult, reasons: tuple[str, ...], single: str | None, value: float) -> str:
    p = found.problem
    whys = dict(_WHY)
    if p.objective == "throughput":
        whys[RATE] = "nodes that work on different requests at the same time shorten the period"
    why = "; ".join(f"{reason}: {whys[reason]}" for reason in reasons)
    lead = "Split for " if len(reasons) < 2 else "Split for several reasons together, "
    if single is None:
        against = "No single node keeps every limit."
    else:
        saved = 1 - found.value / value
        against = (
            f"The best single node, {single}, needs {_figure(p, value)}: the split takes {saved:.1%} less."
        )
    return f"{lead}{why}. {against}"
