"""Families whose decision is a choice among listed options: the typed problem, and the optimum by trying them all."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypedDict

from .marks import Marked
from .truth import Truth

Pairs = Sequence[tuple[str, str]]
_EPS = 1e-9


class Made(TypedDict):
    """What an item takes."""

    model: Callable[[Truth], None]
    check: Callable[[Marked], float]


def least_of(values: Iterable[float]) -> float:
    """The least of the options.

    Raises:
        ValueError: there is none.
    """
    best = min(values, default=math.inf)
    if not math.isfinite(best):
        raise ValueError("nothing is feasible")
    return best


def fits(left: float, right: float) -> bool:
    """Whether a limit is kept, but for rounding."""
    return left <= right * (1 + _EPS) + 1e-12


# ---------------------------------------------------------------- assignment


def assignment(
    jobs: Sequence[str], sites: Sequence[str], *, forbid: Pairs = (), remote: Sequence[str] = ()
) -> Made:
    """Each job at one site.

    Keys: ``ci`` by site; energy as ``e`` (job, site), or ``ej`` (job) with ``rel`` (site), or ``p`` (site) with ``t``
    (job, site), or ``w`` (job) cycles at ``f`` (site) with ``p`` or ``kap``, or ``fl`` (job) at ``eff`` (site); ``n``
    (job) times each; ``pue`` (site). Radio for ``remote`` sites: ``ptx``, ``d`` (job), ``rate`` (site) at ``cih``, or
    ``eb`` per bit at ``cih``. Limits: ``lim`` (job) on ``t``, ``lat`` (job, site), ``lats`` (site) or on computing and
    radio together; ``cap`` jobs; ``capw`` cycles; ``capt`` seconds; ``mem`` (job) within ``room`` (site); ``acc``
    (site) above ``floor`` (job); ``budget`` of energy at ``b`` (first site).
    """
    far = [float(s in remote) for s in sites]
    open_ = [float((j, s) not in forbid) for j in jobs for s in sites]

    def model(t: Truth) -> None:
        t.group("JOB", jobs)
        t.group("SITE", sites)
        over = {
            **dict.fromkeys(
                [
                    "ci",
                    "rel",
                    "p",
                    "f",
                    "kap",
                    "eff",
                    "pue",
                    "rate",
                    "lats",
                    "cap",
                    "capw",
                    "capt",
                    "room",
                    "acc",
                ],
                "SITE",
            ),
            **dict.fromkeys(["ej", "w", "fl", "n", "d", "lim", "mem", "floor"], "JOB"),
            **dict.fromkeys(["e", "t", "lat"], "JOB SITE"),
            **dict.fromkeys(["ptx", "cih", "eb"], ""),
        }
        for key, index in over.items():
            t.param(key, key, index)
        if remote and "rate" not in t.marks.placed:
            t.pattern("remote", "SITE", far)
        if forbid:
            t.pattern("open", "JOB SITE", open_)
        t.variable("x", "JOB SITE")
        time = ""
        if t.has("t"):
            time = "t[j,s]"
        elif t.has("w", "f"):
            time = "w[j]/f[s]"
        if t.has("e"):
            energy = "e[j,s]"
        elif t.has("ej"):
            energy = "ej[j]*rel[s]" if t.has("rel") else "ej[j]"
        elif t.has("p"):
            energy = f"p[s]*{time}"
        elif t.has("kap"):
            energy = "kap[s]*w[j]*f[s]^2"
        else:
            energy = "fl[j]/eff[s]"
        energy += "*n[j]" if t.has("n") else ""
        energy += "*pue[s]" if t.has("pue") else ""
        t.derive("energy", "j in JOB, s in SITE", "J", energy)
        grams = "energy[j,s]*ci[s]"
        air = ""
        if t.has("ptx"):
            air = t.at("rate", "s", "d[j]/{}") if "rate" in t.marks.placed else "remote[s]*d[j]/rate[s]"
            t.derive("radio", "j in JOB, s in SITE", "J", f"ptx*{air}")
        elif t.has("eb"):
            t.derive("radio", "j in JOB, s in SITE", "J", "remote[s]*eb*d[j]")
        if t.has("ptx") or t.has("eb"):
            grams += " + radio[j,s]*cih"
        t.derive("grams", "j in JOB, s in SITE", "gCO2e", grams)
        t.objective = "sum(j in JOB, s in SITE) x[j,s]*grams[j,s]"
        t.require("one_site", "logic", "j in JOB", "sum(s in SITE) x[j,s]", "==", "1")
        if t.has("lim"):
            lat = (
                "lat[j,s]"
                if t.has("lat")
                else "lats[s]"
                if t.has("lats")
                else time + (f" + {air}" if air else "")
            )
            t.require("deadline", "latency", "j in JOB", f"sum(s in SITE) x[j,s]*({lat})", "<=", "lim[j]")
        for key, load, kind in (
            ("cap", "", "capacity"),
            ("capw", "*w[j]", "capacity"),
            ("room", "*mem[j]", "memory"),
        ):
            if t.has(key):
                t.require(key + "_limit", kind, "s in SITE", f"sum(j in JOB) x[j,s]{load}", "<=", f"{key}[s]")
        if t.has("capt"):
            t.require("busy", "capacity", "s in SITE", f"sum(j in JOB) x[j,s]*({time})", "<=", "capt[s]")
        if t.has("floor"):
            t.require("quality", "accuracy", "j in JOB", "sum(s in SITE) x[j,s]*acc[s]", ">=", "floor[j]")
        if forbid:
            t.require("permitted", "logic", "j in JOB, s in SITE", "x[j,s]", "<=", "open[j,s]")

    def check(m: Marked) -> float:
        nj, ns = len(jobs), len(sites)

        def site(key: str) -> list[float]:
            return m.base(key, ns)

        def job(key: str) -> list[float]:
            return m.base(key, nj)

        def both(key: str, j: int, s: int) -> float:
            return m.base(key, nj * ns)[j * ns + s]

        def duration(j: int, s: int) -> float:
            return both("t", j, s) if "t" in m else job("w")[j] / site("f")[s]

        def airtime(j: int, s: int) -> float:
            return job("d")[j] / site("rate")[s] if "ptx" in m and sites[s] in remote else 0.0

        def joules(j: int, s: int) -> float:
            if "e" in m:
                used = both("e", j, s)
            elif "ej" in m:
                used = job("ej")[j] * (site("rel")[s] if "rel" in m else 1.0)
            elif "p" in m:
                used = site("p")[s] * duration(j, s)
            elif "kap" in m:
                used = site("kap")[s] * job("w")[j] * site("f")[s] ** 2
            else:
                used = job("fl")[j] / site("eff")[s]
            return used * (job("n")[j] if "n" in m else 1.0) * (site("pue")[s] if "pue" in m else 1.0)

        def grams(j: int, s: int) -> float:
            total = joules(j, s) * site("ci")[s]
            if "ptx" in m:
                total += m.one("ptx") * airtime(j, s) * m.one("cih")
            elif "eb" in m and sites[s] in remote:
                total += m.one("eb") * job("d")[j] * m.one("cih")
            return total

        def allowed(j: int, s: int) -> bool:
            if (jobs[j], sites[s]) in forbid:
                return False
            if "lim" in m:
                took = both("lat", j, s) if "lat" in m else 0.0
                if "lat" not in m:
                    took = site("lats")[s] if "lats" in m else duration(j, s) + airtime(j, s)
                if not fits(took, job("lim")[j]):
                    return False
            return "floor" not in m or fits(job("floor")[j], site("acc")[s])

        def held(where: tuple[int, ...], s: int) -> bool:
            here = [j for j in range(nj) if where[j] == s]
            return (
                ("cap" not in m or fits(len(here), site("cap")[s]))
                and ("capw" not in m or fits(sum(job("w")[j] for j in here), site("capw")[s]))
                and ("capt" not in m or fits(sum(duration(j, s) for j in here), site("capt")[s]))
                and ("room" not in m or fits(sum(job("mem")[j] for j in here), site("room")[s]))
            )

        cost = [[grams(j, s) if allowed(j, s) else math.inf for s in range(ns)] for j in range(nj)]
        return least_of(
            sum(cost[j][where[j]] for j in range(nj))
            for where in itertools.product(range(ns), repeat=nj)
            if all(held(where, s) for s in range(ns))
        )

    return {"model": model, "check": check}


# --------------------------------------------------------------------- split


def split(cuts: Sequence[str]) -> Made:
    """One cut of a network between a device and a server.

    Keys by cut: ``ed`` device energy or ``td`` device time with ``pd``; ``by`` data sent; ``er`` remote energy or
    ``tr`` remote time with ``pr``; ``eb`` energy per bit, or ``ptx`` with ``rate``; ``cid``, ``cir`` and ``cin``
    (sending; the device's where absent); ``n`` items; ``pue``; ``lim`` on ``lat`` or on ``td``, sending and ``tr``;
    ``mem`` within ``room``; ``most`` data.
    """

    def model(t: Truth) -> None:
        t.group("CUT", cuts)
        for key in ["ed", "td", "by", "er", "tr", "lat", "mem"]:
            t.param(key, key, "CUT")
        for key in ["pd", "pr", "eb", "ptx", "rate", "cid", "cir", "cin", "n", "pue", "lim", "room", "most"]:
            t.param(key, key)
        t.variable("z", "CUT")
        n = "n*" if t.has("n") else ""
        sending = "ptx*by[c]/rate" if t.has("ptx") else "eb*by[c]"
        t.derive("device", "c in CUT", "J", "ed[c]" if t.has("ed") else "pd*td[c]")
        remote = ("er[c]" if t.has("er") else "pr*tr[c]") + ("*pue" if t.has("pue") else "")
        t.derive("remote", "c in CUT", "J", remote)
        grams = "device[c]*cid + remote[c]*cir"
        if t.has("eb") or t.has("ptx"):
            t.derive("radio", "c in CUT", "J", sending)
            grams += " + radio[c]*" + ("cin" if t.has("cin") else "cid")
        t.objective = f"sum(c in CUT) z[c]*{n}({grams})"
        t.require("one_cut", "logic", "", "sum(c in CUT) z[c]", "==", "1")
        if t.has("lim"):
            lat = "lat[c]" if t.has("lat") else "td[c] + by[c]/rate + tr[c]"
            t.require("deadline", "latency", "", f"sum(c in CUT) z[c]*({lat})", "<=", "lim")
        if t.has("room"):
            t.require("memory", "memory", "", "sum(c in CUT) z[c]*mem[c]", "<=", "room")
        if t.has("most"):
            t.require("traffic", "capacity", "", "sum(c in CUT) z[c]*by[c]", "<=", "most")

    def check(m: Marked) -> float:
        size = len(cuts)

        def at(key: str, c: int) -> float:
            return m.base(key, size)[c]

        def grams(c: int) -> float:
            here = at("ed", c) if "ed" in m else m.one("pd") * at("td", c)
            there = at("er", c) if "er" in m else m.one("pr") * at("tr", c)
            total = here * m.one("cid") + there * (m.one("pue") if "pue" in m else 1.0) * m.one("cir")
            air = m.one("cin" if "cin" in m else "cid")
            if "ptx" in m:
                total += m.one("ptx") * at("by", c) / m.one("rate") * air
            elif "eb" in m:
                total += m.one("eb") * at("by", c) * air
            return total * (m.one("n") if "n" in m else 1.0)

        def allowed(c: int) -> bool:
            if "lim" in m:
                took = at("lat", c) if "lat" in m else at("td", c) + at("by", c) / m.one("rate") + at("tr", c)
                if not fits(took, m.one("lim")):
                    return False
            if "room" in m and not fits(at("mem", c), m.one("room")):
                return False
            return "most" not in m or fits(at("by", c), m.one("most"))

        return least_of(grams(c) for c in range(size) if allowed(c))

    return {"model": model, "check": check}


# --------------------------------------------------------------------- clock


def clock(tasks: Sequence[str], speeds: Sequence[str] | int, *, shared: bool = True) -> Made:
    """A speed for each task from a list.

    Keys: ``w`` (task) cycles at ``f`` (speed), or ``t`` (task, speed); power ``p`` (speed), or ``e`` (task, speed), or
    ``kap``; ``ps`` while a task runs; ``ci``; ``lim`` for all one after the other (``shared``) or for each; ``n``.
    """
    size = speeds if isinstance(speeds, int) else len(speeds)

    def model(t: Truth) -> None:
        t.group("TASK", tasks)
        t.group("SPEED", speeds)
        for key, index in (
            *(
                ("w", "TASK"),
                ("f", "SPEED"),
                ("t", "TASK SPEED"),
                ("p", "SPEED"),
                ("e", "TASK SPEED"),
                ("kap", ""),
            ),
            *(("ps", ""), ("ci", ""), ("lim", "" if shared else "TASK"), ("n", "TASK")),
        ):
            t.param(key, key, index)
        t.variable("x", "TASK SPEED")
        time = "t[i,l]" if t.has("t") else "w[i]/f[l]"
        energy = "e[i,l]" if t.has("e") else f"p[l]*{time}" if t.has("p") else "kap*w[i]*f[l]^2"
        energy += f" + ps*{time}" if t.has("ps") else ""
        t.derive("energy", "i in TASK, l in SPEED", "J", energy)
        n = "n[i]*" if t.has("n") else ""
        t.objective = f"sum(i in TASK, l in SPEED) x[i,l]*{n}energy[i,l]*ci"
        t.require("one_speed", "logic", "i in TASK", "sum(l in SPEED) x[i,l]", "==", "1")
        if shared:
            t.require("deadline", "latency", "", f"sum(i in TASK, l in SPEED) x[i,l]*{time}", "<=", "lim")
        else:
            t.require("deadline", "latency", "i in TASK", f"sum(l in SPEED) x[i,l]*{time}", "<=", "lim[i]")

    def check(m: Marked) -> float:
        nt = len(tasks)

        def time(i: int, k: int) -> float:
            return (
                m.base("t", nt * size)[i * size + k]
                if "t" in m
                else m.base("w", nt)[i] / m.base("f", size)[k]
            )

        def grams(i: int, k: int) -> float:
            if "e" in m:
                used = m.base("e", nt * size)[i * size + k]
            elif "p" in m:
                used = m.base("p", size)[k] * time(i, k)
            else:
                used = m.one("kap") * m.base("w", nt)[i] * m.base("f", size)[k] ** 2
            used += m.one("ps") * time(i, k) if "ps" in m else 0.0
            return used * m.one("ci") * (m.base("n", nt)[i] if "n" in m else 1.0)

        def in_time(pick: tuple[int, ...]) -> bool:
            took = [time(i, k) for i, k in enumerate(pick)]
            if shared:
                return fits(sum(took), m.one("lim"))
            return all(fits(a, b) for a, b in zip(took, m.base("lim", nt), strict=True))

        return least_of(
            sum(grams(i, k) for i, k in enumerate(pick))
            for pick in itertools.product(range(size), repeat=nt)
            if in_time(pick)
        )

    return {"model": model, "check": check}
