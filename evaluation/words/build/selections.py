"""Families whose decision is which to take: variants, clients, models to keep, boards to replace; all tried."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from .choices import Made, Pairs, fits, least_of
from .marks import Marked
from .truth import Truth

# ------------------------------------------------------------------- variant


def variant(
    classes: Sequence[str], variants: Sequence[str], *, average: bool = False, forbid: Pairs = ()
) -> Made:
    """A variant of a model for each class of requests.

    Keys: ``n`` (class) requests; energy ``e`` (variant), ``ek`` (class, variant) or ``p`` (variant) with ``t``
    (variant); ``ci`` (class where several); ``acc`` (variant) or ``ack`` (class, variant); ``floor`` for each class, or
    of the average weighted by requests; ``t`` or ``lat`` (variant) within ``lim`` (class).
    """
    open_ = [float((k, v) not in forbid) for k in classes for v in variants]

    def model(t: Truth) -> None:
        t.group("CLASS", classes)
        t.group("VARIANT", variants)
        for key in ("n", "ci", "lim"):
            t.param(key, key, "CLASS")
        for key in ("e", "p", "t", "lat", "acc"):
            t.param(key, key, "VARIANT")
        for key in ("ek", "ack"):
            t.param(key, key, "CLASS VARIANT")
        t.param("floor", "floor", "" if average else "CLASS")
        if forbid:
            t.pattern("open", "CLASS VARIANT", open_)
        t.variable("x", "CLASS VARIANT")
        energy = "ek[k,v]" if t.has("ek") else "e[v]" if t.has("e") else "p[v]*t[v]"
        t.derive("energy", "k in CLASS, v in VARIANT", "J", f"n[k]*{energy}")
        t.objective = "sum(k in CLASS, v in VARIANT) x[k,v]*energy[k,v]*ci[k]"
        t.require("one_variant", "logic", "k in CLASS", "sum(v in VARIANT) x[k,v]", "==", "1")
        acc = "ack[k,v]" if t.has("ack") else "acc[v]"
        if t.has("floor") and average:
            lhs = f"sum(k in CLASS, v in VARIANT) x[k,v]*n[k]*{acc}"
            t.require("quality", "accuracy", "", lhs, ">=", "floor*(sum(k in CLASS) n[k])")
        elif t.has("floor"):
            t.require(
                "quality", "accuracy", "k in CLASS", f"sum(v in VARIANT) x[k,v]*{acc}", ">=", "floor[k]"
            )
        if t.has("lim"):
            lat = "lat[v]" if t.has("lat") else "t[v]"
            t.require("deadline", "latency", "k in CLASS", f"sum(v in VARIANT) x[k,v]*{lat}", "<=", "lim[k]")
        if forbid:
            t.require("permitted", "logic", "k in CLASS, v in VARIANT", "x[k,v]", "<=", "open[k,v]")

    def check(m: Marked) -> float:
        nk, nv = len(classes), len(variants)

        def each(key: str, k: int, v: int) -> float:
            return m.base(key, nk * nv)[k * nv + v]

        def joules(k: int, v: int) -> float:
            if "ek" in m:
                return each("ek", k, v)
            return m.base("e", nv)[v] if "e" in m else m.base("p", nv)[v] * m.base("t", nv)[v]

        def quality(k: int, v: int) -> float:
            return each("ack", k, v) if "ack" in m else m.base("acc", nv)[v]

        counts = m.base("n", nk)

        def allowed(pick: tuple[int, ...]) -> bool:
            if any((classes[k], variants[v]) in forbid for k, v in enumerate(pick)):
                return False
            if "lim" in m:
                took = m.base("lat" if "lat" in m else "t", nv)
                if any(not fits(took[v], m.base("lim", nk)[k]) for k, v in enumerate(pick)):
                    return False
            if "floor" not in m:
                return True
            if average:
                mean = sum(counts[k] * quality(k, v) for k, v in enumerate(pick)) / sum(counts)
                return fits(m.one("floor"), mean)
            return all(fits(m.base("floor", nk)[k], quality(k, v)) for k, v in enumerate(pick))

        return least_of(
            sum(counts[k] * joules(k, v) * m.base("ci", nk)[k] for k, v in enumerate(pick))
            for pick in itertools.product(range(nv), repeat=nk)
            if allowed(pick)
        )

    return {"model": model, "check": check}


# ----------------------------------------------------------------- federated


def federated(clients: Sequence[str]) -> Made:
    """Which clients take part in the training.

    Keys by client: energy of a round ``e``, or ``p`` with ``t``; ``up`` energy of sending, or ``d`` at ``eb``; ``ci``;
    ``data`` summing to at least ``need``; ``least`` clients; ``t`` or ``late`` within ``lim``; ``r`` rounds.
    """

    def model(t: Truth) -> None:
        t.group("CLIENT", clients)
        for key in ["e", "p", "t", "up", "ci", "data", "late"]:
            t.param(key, key, "CLIENT")
        for key in ["d", "eb", "need", "least", "lim", "r"]:
            t.param(key, key)
        t.variable("x", "CLIENT")
        energy = "e[c]" if t.has("e") else "p[c]*t[c]"
        energy += " + up[c]" if t.has("up") else " + d*eb" if t.has("d") else ""
        t.derive("energy", "c in CLIENT", "J", energy)
        t.objective = f"sum(c in CLIENT) x[c]*{'r*' if t.has('r') else ''}energy[c]*ci[c]"
        if t.has("need"):
            t.require("samples", "accuracy", "", "sum(c in CLIENT) x[c]*data[c]", ">=", "need")
        if t.has("least"):
            t.require("enough", "other", "", "sum(c in CLIENT) x[c]", ">=", "least")
        if t.has("lim"):
            late = "late[c]" if t.has("late") else "t[c]"
            t.require("deadline", "latency", "c in CLIENT", f"x[c]*{late}", "<=", "lim")

    def check(m: Marked) -> float:
        size = len(clients)

        def at(key: str, c: int) -> float:
            return m.base(key, size)[c]

        def grams(c: int) -> float:
            used = at("e", c) if "e" in m else at("p", c) * at("t", c)
            used += at("up", c) if "up" in m else m.one("d") * m.one("eb") if "d" in m else 0.0
            return used * at("ci", c) * (m.one("r") if "r" in m else 1.0)

        def allowed(pick: tuple[int, ...]) -> bool:
            chosen = [c for c in range(size) if pick[c]]
            if "need" in m and not fits(m.one("need"), sum(at("data", c) for c in chosen)):
                return False
            if "least" in m and len(chosen) < m.one("least"):
                return False
            late = "late" if "late" in m else "t"
            return "lim" not in m or all(fits(at(late, c), m.one("lim")) for c in chosen)

        return least_of(
            sum(grams(c) for c in range(size) if pick[c])
            for pick in itertools.product((0, 1), repeat=size)
            if allowed(pick)
        )

    return {"model": model, "check": check}


# --------------------------------------------------------------------- cache


def cache(models: Sequence[str]) -> Made:
    """Which models to keep.

    Keys by model: ``size`` within ``room``; ``n`` requests; fetching ``fe`` each, or ``size`` at ``eb``; holding ``he``
    over the time, or ``hp`` power over ``T``; ``cie`` at the edge, ``cio`` where it is fetched from; ``least`` kept.
    """

    def model(t: Truth) -> None:
        t.group("MODEL", models)
        for key in ["size", "n", "fe", "he", "hp"]:
            t.param(key, key, "MODEL")
        for key in ["eb", "T", "cie", "cio", "room", "least", "hb"]:
            t.param(key, key)
        t.variable("keep", "MODEL")
        hold = "he[m]" if t.has("he") else "hp[m]*T" if t.has("hp") else "hb*size[m]*T"
        t.derive("holding", "m in MODEL", "J", hold)
        t.derive("fetching", "m in MODEL", "J", "n[m]*" + ("fe[m]" if t.has("fe") else "eb*size[m]"))
        away = "cio" if t.has("cio") else "cie"
        t.objective = f"sum(m in MODEL) (keep[m]*holding[m]*cie + (1 - keep[m])*fetching[m]*{away})"
        if t.has("room"):
            t.require("space", "memory", "", "sum(m in MODEL) keep[m]*size[m]", "<=", "room")
        if t.has("least"):
            t.require("enough", "other", "", "sum(m in MODEL) keep[m]", "<=", "least")

    def check(m: Marked) -> float:
        size = len(models)

        def at(key: str, i: int) -> float:
            return m.base(key, size)[i]

        def grams(i: int, kept: int) -> float:
            if kept:
                hold = at("he", i) if "he" in m else 0.0
                if "hp" in m:
                    hold = at("hp", i) * m.one("T")
                elif "hb" in m:
                    hold = m.one("hb") * at("size", i) * m.one("T")
                return hold * m.one("cie")
            each = at("fe", i) if "fe" in m else m.one("eb") * at("size", i)
            return at("n", i) * each * m.one("cio" if "cio" in m else "cie")

        def allowed(pick: tuple[int, ...]) -> bool:
            if "room" in m and not fits(sum(at("size", i) for i in range(size) if pick[i]), m.one("room")):
                return False
            return "least" not in m or sum(pick) <= m.one("least")

        return least_of(
            sum(grams(i, kept) for i, kept in enumerate(pick))
            for pick in itertools.product((0, 1), repeat=size)
            if allowed(pick)
        )

    return {"model": model, "check": check}


# ------------------------------------------------------------------- replace


def replace(boards: Sequence[str], years: int) -> Made:
    """In which year, if ever, each old board gives way to a new one.

    Keys: power ``po``, ``pn`` (board) over ``hrs`` in a year, or energy of a year ``eo``, ``en`` (board); ``emb``
    (board) grams of a new one; ``ci`` (year); ``most`` replacements a year, ``total`` over all the years.
    """

    def model(t: Truth) -> None:
        t.group("BOARD", boards)
        t.group("YEAR", years, ordered=True)
        for key in ["po", "pn", "eo", "en", "emb"]:
            t.param(key, key, "BOARD")
        t.param("ci", "ci", "YEAR")
        for key in ("hrs", "most", "total"):
            t.param(key, key)
        t.variable("x", "BOARD YEAR")
        old, new = ("eo[b]", "en[b]") if t.has("eo") else ("po[b]*hrs", "pn[b]*hrs")
        t.derive("done", "b in BOARD, y in YEAR", "1", "sum(k in YEAR where k <= y) x[b,k]")
        t.derive("energy", "b in BOARD, y in YEAR", "J", f"{old}*(1 - done[b,y]) + {new}*done[b,y]")
        t.boundary = "operational+embodied"
        t.objective = "sum(b in BOARD, y in YEAR) (energy[b,y]*ci[y] + x[b,y]*emb[b])"
        t.require("once", "logic", "b in BOARD", "sum(y in YEAR) x[b,y]", "<=", "1")
        if t.has("most"):
            t.require("pace", "budget", "y in YEAR", "sum(b in BOARD) x[b,y]", "<=", "most")
        if t.has("total"):
            t.require("purse", "budget", "", "sum(b in BOARD, y in YEAR) x[b,y]", "<=", "total")

    def check(m: Marked) -> float:
        size = len(boards)
        dirt = m.base("ci", years)

        def grams(b: int, when: int) -> float:
            if "eo" in m:
                old, new = m.base("eo", size)[b], m.base("en", size)[b]
            else:
                old, new = (m.base(k, size)[b] * m.one("hrs") for k in ("po", "pn"))
            used = sum((new if y >= when else old) * dirt[y] for y in range(years))
            return used + (m.base("emb", size)[b] if when < years else 0.0)

        def allowed(pick: tuple[int, ...]) -> bool:
            if "total" in m and size - pick.count(years) > m.one("total"):
                return False
            return "most" not in m or all(pick.count(y) <= m.one("most") for y in range(years))

        return least_of(
            sum(grams(b, when) for b, when in enumerate(pick))
            for pick in itertools.product(range(years + 1), repeat=size)
            if allowed(pick)
        )

    return {"model": model, "check": check}
