"""The project's own programs as typed problems: placing layers on nodes, and classes of requests over hours.

Both have solvers of their own, made for them. As typed problems they pass through the language, the compiler and a
general solver, and the optima must agree: each side checks the other. Figures become parameters as they are; nothing
is rounded and nothing is left out, and what cannot be carried is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.core.errors import ConfigError
from gramwise.partition.problem import GIVEN, SLACK
from gramwise.partition.problem import Problem as Placement

from ..slots import cost_of
from ..typed.record import Constraint, Meta, Objective, Param, Problem, SetDecl, Variable

if TYPE_CHECKING:
    from gramwise.core.decision import Bools, Floats

    from ..slots import SlotProblem

_SOURCE = "kb:carried"


def placement_problem(placement: Placement) -> Problem:
    """A placement of layers with the fewest grams, as a typed problem with variables ``x[layer,node]``.

    Raises:
        ConfigError: the objective is not carbon, or there is a line, idle power, a rate goal: not carried.
    """
    p = placement
    if p.objective != "carbon" or p.line is not None or p.idle_w.any() or p.rate_binds:
        raise ConfigError("only placements for carbon without a line, idle power or a rate goal are carried.")
    made = _Draft()
    made.sets += [SetDecl(name="LAYER", size=p.n), SetDecl(name="NODE", size=p.k)]
    made.figure("run_g", np.where(p.allowed, p.layer_cost, 0.0), "gCO2e", "LAYER", "NODE")
    made.figure("run_s", np.where(p.allowed, p.latency_s, 0.0), "s", "LAYER", "NODE")
    made.figure("may", p.allowed, "1", "LAYER", "NODE")
    made.variable("x", "binary", "may", "LAYER", "NODE")
    made.row("one_node", "logic", "v in LAYER", "sum(d in NODE) x[v,d]", "==", "1")
    grams, seconds = (
        ["sum(v in LAYER, d in NODE) x[v,d]*run_g[v,d]"],
        ["sum(v in LAYER, d in NODE) x[v,d]*run_s[v,d]"],
    )
    _moves(made, p, grams, seconds)
    _fetches(made, p, grams, seconds)
    if np.isfinite(p.latency_limit_s):
        made.figure("most_s", p.latency_limit_s * (1 + SLACK), "s")
        made.row("latency", "latency", "", " + ".join(seconds), "<=", "most_s")
    if p.memory_binds:
        _memory(made, p)
    return made.problem("placement", " + ".join(grams))


def _moves(made: _Draft, p: Placement, grams: list[str], seconds: list[str]) -> None:
    """Tensors that a layer makes: sent once to every node that reads them, answers always to the destination."""
    flows = [i for i, t in enumerate(p.tensors) if t.producer != GIVEN]
    if not flows:
        return
    k = p.k
    cost, wait = p.move_cost[flows], p.move_s[flows]
    move_g, move_s = cost[:, :k, :k].copy(), wait[:, :k, :k].copy()
    answer_g, answer_s = np.zeros((len(flows), k)), np.zeros((len(flows), k))
    makes, reads = np.zeros((len(flows), p.n)), np.zeros((len(flows), p.n))
    for row, i in enumerate(flows):
        tensor = p.tensors[i]
        makes[row, tensor.producer] = 1.0
        reads[row, list(tensor.consumers)] = 1.0
        if tensor.wanted:
            answer_g[row], answer_s[row] = cost[row, :k, p.destination], wait[row, :k, p.destination]
            if p.destination < k:  # it goes there in any case
                move_g[row, :, p.destination] = move_s[row, :, p.destination] = 0.0
    made.sets.append(SetDecl(name="TENSOR", size=len(flows)))
    way, answered = np.isfinite(move_s), np.isfinite(answer_s)
    index = ("TENSOR", "NODE", "NODE")
    made.figure("move_g", np.where(way, move_g, 0.0), "gCO2e", *index)
    made.figure("move_s", np.where(way, move_s, 0.0), "s", *index)
    made.figure("way", way, "1", *index)
    made.figure("answer_g", np.where(answered, answer_g, 0.0), "gCO2e", "TENSOR", "NODE")
    made.figure("answer_s", np.where(answered, answer_s, 0.0), "s", "TENSOR", "NODE")
    made.figure("answered", answered, "1", "TENSOR", "NODE")
    made.figure("makes", makes, "1", "TENSOR", "LAYER")
    made.figure("reads", reads, "1", "TENSOR", "LAYER")
    made.variable("move", "real", "way", *index)
    made.row(
        "sent", "logic",
        "i in TENSOR, p in LAYER, c in LAYER, a in NODE, b in NODE where makes[i,p] and reads[i,c] and a != b",
        "move[i,a,b]", ">=", "x[p,a] + x[c,b] - 1",
    )  # fmt: skip
    made.row(
        "can_answer",
        "logic",
        "i in TENSOR, p in LAYER, a in NODE where makes[i,p]",
        "x[p,a]",
        "<=",
        "answered[i,a]",
    )
    for figures, name in ((grams, "g"), (seconds, "s")):
        figures.append(f"sum(i in TENSOR, a in NODE, b in NODE) move[i,a,b]*move_{name}[i,a,b]")
        figures.append(f"sum(i in TENSOR, p in LAYER, a in NODE where makes[i,p]) x[p,a]*answer_{name}[i,a]")


def _fetches(made: _Draft, p: Placement, grams: list[str], seconds: list[str]) -> None:
    """The network's inputs: sent once from the origin to every node that reads them."""
    given = [i for i, t in enumerate(p.tensors) if t.producer == GIVEN]
    if not given:
        return
    k = p.k
    fetch_g, fetch_s = p.move_cost[given, p.origin, :k].copy(), p.move_s[given, p.origin, :k].copy()
    takes = np.zeros((len(given), p.n))
    due_g = due_s = 0.0
    for row, i in enumerate(given):
        takes[row, list(p.tensors[i].consumers)] = 1.0
        if p.tensors[i].wanted and p.origin != p.destination:
            due_g += p.move_cost[i, p.origin, p.destination]
            due_s += p.move_s[i, p.origin, p.destination]
            if p.destination < k:
                fetch_g[row, p.destination] = fetch_s[row, p.destination] = 0.0
    if not np.isfinite(due_s):
        raise ConfigError("an input that is also an answer has no way to its destination.")
    way = np.isfinite(fetch_s)
    made.sets.append(SetDecl(name="INPUT", size=len(given)))
    made.figure("fetch_g", np.where(way, fetch_g, 0.0), "gCO2e", "INPUT", "NODE")
    made.figure("fetch_s", np.where(way, fetch_s, 0.0), "s", "INPUT", "NODE")
    made.figure("reach", way, "1", "INPUT", "NODE")
    made.figure("takes", takes, "1", "INPUT", "LAYER")
    made.figure("due_g", due_g, "gCO2e")
    made.figure("due_s", due_s, "s")
    made.variable("fetch", "real", "reach", "INPUT", "NODE")
    made.row(
        "fetched", "logic", "i in INPUT, c in LAYER, d in NODE where takes[i,c]", "fetch[i,d]", ">=", "x[c,d]"
    )
    for figures, name in ((grams, "g"), (seconds, "s")):
        figures.append(f"sum(i in INPUT, d in NODE) fetch[i,d]*fetch_{name}[i,d] + due_{name}")


def _memory(made: _Draft, p: Placement) -> None:
    """Weights held once by each node that runs one of their layers, and the largest working set."""
    finite = np.isfinite(p.memory_bytes)
    whole = sum(w.bytes for w in p.weights) + float(p.working_bytes.max(initial=0.0))
    room = np.where(finite, p.memory_bytes * (1 + SLACK), whole)
    made.figure("room", room, "byte", "NODE")
    made.figure("working", p.working_bytes, "byte", "LAYER")
    made.figure("most", float(p.working_bytes.max(initial=0.0)), "byte")
    made.variable("widest", "real", "most", "NODE", unit="byte")
    made.row("works", "memory", "v in LAYER, d in NODE", "widest[d]", ">=", "working[v]*x[v,d]")
    used = "widest[d]"
    if p.weights:
        uses = np.zeros((len(p.weights), p.n))
        for row, weight in enumerate(p.weights):
            uses[row, list(weight.layers)] = 1.0
        made.sets.append(SetDecl(name="WEIGHT", size=len(p.weights)))
        made.figure("held_bytes", np.array([w.bytes for w in p.weights]), "byte", "WEIGHT")
        made.figure("uses", uses, "1", "WEIGHT", "LAYER")
        made.variable("held", "real", 1.0, "WEIGHT", "NODE")
        made.row(
            "holds",
            "memory",
            "w in WEIGHT, v in LAYER, d in NODE where uses[w,v]",
            "held[w,d]",
            ">=",
            "x[v,d]",
        )
        used += " + sum(w in WEIGHT) held[w,d]*held_bytes[w]"
    made.row("memory", "memory", "d in NODE", used, "<=", "room[d]")


def slots_problem(slots: SlotProblem) -> Problem:
    """Classes of requests over hours as a typed problem with variables ``serve[class,candidate,slot]``.

    Raises:
        ConfigError: inferences have a worth of their own (``extra_g``): not carried.
    """
    if slots.extra_g is not None:
        raise ConfigError("a slot program in which accuracy has a worth is not carried.")
    cost = cost_of(slots, slots.energy_j)
    classes, candidates, hours = cost.shape
    permitted = np.isfinite(cost)
    total = slots.arrivals.sum(axis=1)
    kept = np.maximum(np.cumsum(slots.arrivals - slots.due, axis=1), 0.0)
    made = _Draft()
    made.sets += [
        SetDecl(name="CLASS", size=classes),
        SetDecl(name="PLAN", size=candidates),
        SetDecl(name="NODE", size=len(slots.capacity_s)),
        SetDecl(name="SLOT", size=hours, ordered=True),
    ]
    on = (slots.node[:, None] == np.arange(len(slots.capacity_s))).astype(np.float64)
    made.figure("one_g", np.where(permitted, cost, 0.0), "gCO2e", "CLASS", "PLAN", "SLOT")
    made.figure("most", permitted * total[:, None, None], "1", "CLASS", "PLAN", "SLOT")
    made.figure("busy", np.where(np.isfinite(slots.busy_s), slots.busy_s, 0.0), "s", "CLASS", "PLAN")
    made.figure("on", on, "1", "PLAN", "NODE")
    made.figure("cap", slots.capacity_s, "s", "NODE", "SLOT")
    made.figure("come", slots.arrivals, "1", "CLASS", "SLOT")
    made.figure("may_wait", kept, "1", "CLASS", "SLOT")
    made.variable("serve", "real", "most", "CLASS", "PLAN", "SLOT")
    made.variable("left", "real", "may_wait", "CLASS", "SLOT")
    served = "sum(p in PLAN) serve[k,p,t]"
    made.row(
        "first", "logic", "k in CLASS, t in SLOT where t == 1", f"{served} + left[k,t]", "==", "come[k,t]"
    )
    made.row(
        "later", "logic", "k in CLASS, t in SLOT where t > 1",
        f"{served} + left[k,t]", "==", "come[k,t] + left[k,t-1]",
    )  # fmt: skip
    made.row(
        "come_first",
        "logic",
        "k in CLASS, t in SLOT where t > 1",
        "left[k,t]",
        "<=",
        "come[k,t] + left[k,t-1]",
    )
    made.row(
        "capacity", "capacity", "n in NODE, t in SLOT",
        "sum(k in CLASS, p in PLAN where on[p,n]) serve[k,p,t]*busy[k,p]", "<=", "cap[n,t]",
    )  # fmt: skip
    return made.problem("slots", "sum(k in CLASS, p in PLAN, t in SLOT) serve[k,p,t]*one_g[k,p,t]")


class _Draft:
    """Declarations while they are gathered."""

    def __init__(self) -> None:
        self.sets: list[SetDecl] = []
        self._params: list[Param] = []
        self._variables: list[Variable] = []
        self._rows: list[Constraint] = []

    def figure(self, name: str, values: Floats | Bools | float, unit: str, *index: str) -> None:
        held: Any = np.asarray(values, dtype=np.float64).tolist()
        self._params.append(Param(name=name, unit=unit, index=index, values=held, source=_SOURCE))

    def variable(self, name: str, domain: Any, upper: str | float, *index: str, unit: str = "1") -> None:
        # A binary lies between 0 and 1; where it may not be 1, a row says so.
        top = 1.0 if domain == "binary" else upper
        self._variables.append(
            Variable(name=name, index=index, domain=domain, lower=0.0, upper=top, unit=unit)
        )
        if domain == "binary" and isinstance(upper, str):
            self.row(f"{name}_may", "logic", "v in LAYER, d in NODE", f"{name}[v,d]", "<=", f"{upper}[v,d]")

    def row(self, name: str, kind: Any, forall: str, lhs: str, rel: Any, rhs: str) -> None:
        self._rows.append(Constraint(name=name, kind=kind, forall=forall, lhs=lhs, rel=rel, rhs=rhs))

    def problem(self, name: str, expr: str) -> Problem:
        return Problem(
            meta=Meta(id=name),
            sets=tuple(self.sets),
            params=tuple(self._params),
            variables=tuple(self._variables),
            objective=Objective(expr=expr),
            constraints=tuple(self._rows),
        )
