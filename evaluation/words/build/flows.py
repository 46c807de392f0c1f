"""Families over hours, regions and networks: the typed problem, and the optimum by enumeration or rational simplex."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from .choices import Made, fits, least_of
from .exact import Row, simplex
from .marks import Marked
from .truth import Truth


def starts(jobs: Sequence[str], hours: int, *, windows: Sequence[tuple[int, int]] = ()) -> Made:
    """Jobs that run through once started, hour by hour.

    Keys: ``dur`` (job) whole hours; ``p`` (job) power, or ``e`` (job) energy of an hour, or ``et`` (job) energy of the
    whole run spread evenly; ``ci`` (hour); ``rel``, ``dl`` (job) first and last hour as positions; ``most`` at a time;
    ``pcap`` power at a time; ``step`` the hour. ``windows`` (job) are first and last hour where the text gives them by
    the clock, whose numbers are no positions.
    """
    open_ = [float(first <= h <= last) for first, last in windows for h in range(1, hours + 1)]

    def model(t: Truth) -> None:
        t.group("JOB", jobs)
        t.group("HOUR", hours, ordered=True)
        for key in ["dur", "p", "e", "et", "rel", "dl"]:
            t.param(key, key, "JOB")
        t.param("ci", "ci", "HOUR")
        for key in ("most", "pcap", "step"):
            t.param(key, key)
        if windows:
            t.pattern("open", "JOB HOUR", open_)
        t.variable("start", "JOB HOUR")
        hourly = "e[j]" if t.has("e") else "et[j]/dur[j]" if t.has("et") else "p[j]*step"
        runs = "k in HOUR where k <= h and h < k + dur[j]"
        t.derive("running", "j in JOB, h in HOUR", "1", f"sum({runs}) start[j,k]")
        t.derive("energy", "j in JOB", "J", hourly)
        t.objective = "sum(j in JOB, h in HOUR) running[j,h]*energy[j]*ci[h]"
        t.require("once", "logic", "j in JOB", "sum(h in HOUR) start[j,h]", "==", "1")
        if t.has("dl"):
            late = "h in HOUR where h + dur[j] > dl[j] + 1"
            t.require("finish", "latency", "j in JOB", f"sum({late}) start[j,h]", "==", "0")
        else:
            t.require("whole", "logic", "j in JOB", "sum(h in HOUR) running[j,h]", "==", "dur[j]")
        if t.has("rel"):
            t.require("ready", "latency", "j in JOB", "sum(h in HOUR where h < rel[j]) start[j,h]", "==", "0")
        if windows:
            t.require("permitted", "latency", "j in JOB, h in HOUR", "running[j,h]", "<=", "open[j,h]")
        if t.has("most"):
            t.require("together", "capacity", "h in HOUR", "sum(j in JOB) running[j,h]", "<=", "most")
        if t.has("pcap"):
            t.require("power", "capacity", "h in HOUR", "sum(j in JOB) running[j,h]*p[j]", "<=", "pcap")

    def check(m: Marked) -> float:
        size = len(jobs)
        dur = [round(v) for v in m.values["dur"]] * (size if len(m.values["dur"]) == 1 else 1)
        first = [round(v) for v in m.base("rel", size)] if "rel" in m else [1] * size
        last = [round(v) for v in m.base("dl", size)] if "dl" in m else [hours] * size
        if windows:
            first, last = [a for a, _ in windows], [b for _, b in windows]
        dirt = m.base("ci", hours)

        def each(j: int) -> float:
            if "e" in m:
                return m.base("e", size)[j]
            return m.base("et", size)[j] / dur[j] if "et" in m else m.base("p", size)[j] * 3600.0

        options = [range(first[j], last[j] - dur[j] + 2) for j in range(size)]

        def held(pick: tuple[int, ...]) -> bool:
            for h in range(1, hours + 1):
                on = [j for j in range(size) if pick[j] <= h < pick[j] + dur[j]]
                if "most" in m and len(on) > m.one("most"):
                    return False
                if "pcap" in m and not fits(sum(m.base("p", size)[j] for j in on), m.one("pcap")):
                    return False
            return True

        cost = [{s: each(j) * sum(dirt[s - 1 : s - 1 + dur[j]]) for s in options[j]} for j in range(size)]
        return least_of(
            sum(cost[j][s] for j, s in enumerate(pick)) for pick in itertools.product(*options) if held(pick)
        )

    return {"model": model, "check": check}


def spread(jobs: Sequence[str], hours: int) -> Made:
    """Energy that may be drawn in any hours.

    Keys: ``et`` (job) energy in all, or ``p`` (job) power for ``dur`` (job) hours in all; ``pm`` (job) most power, or
    ``em`` (job) most energy in an hour (``p`` where absent); ``cap`` energy of all in an hour, or ``pcap`` power;
    ``ci`` (hour); ``rel``, ``dl`` (job) first and last hour as positions; ``step``.
    """

    def model(t: Truth) -> None:
        t.group("JOB", jobs)
        t.group("HOUR", hours, ordered=True)
        for key in ["et", "p", "dur", "pm", "em", "rel", "dl"]:
            t.param(key, key, "JOB")
        t.param("ci", "ci", "HOUR")
        for key in ("cap", "pcap", "step"):
            t.param(key, key)
        total = "et[j]" if t.has("et") else "p[j]*dur[j]"
        t.variable("part", "JOB HOUR", "real")
        t.derive("energy", "j in JOB", "J", total)
        t.objective = "sum(j in JOB, h in HOUR) part[j,h]*energy[j]*ci[h]"
        t.require("all", "logic", "j in JOB", "sum(h in HOUR) part[j,h]", "==", "1")
        most = "em[j]" if t.has("em") else "pm[j]*step" if t.has("pm") else "p[j]*step" if t.has("p") else ""
        if most:
            t.require("rate", "capacity", "j in JOB, h in HOUR", "part[j,h]*energy[j]", "<=", most)
        if t.has("rel"):
            t.require("ready", "latency", "j in JOB", "sum(h in HOUR where h < rel[j]) part[j,h]", "==", "0")
        if t.has("dl"):
            t.require("finish", "latency", "j in JOB", "sum(h in HOUR where h > dl[j]) part[j,h]", "==", "0")
        if t.has("cap") or t.has("pcap"):
            limit = "cap" if t.has("cap") else "pcap*step"
            t.require("together", "capacity", "h in HOUR", "sum(j in JOB) part[j,h]*energy[j]", "<=", limit)

    def check(m: Marked) -> float:
        size = len(jobs)
        dirt = m.base("ci", hours)
        if "et" in m:
            need = m.base("et", size)
        else:
            need = [p * d for p, d in zip(m.base("p", size), m.base("dur", size), strict=True)]
        first = [round(v) for v in m.base("rel", size)] if "rel" in m else [1] * size
        last = [round(v) for v in m.base("dl", size)] if "dl" in m else [hours] * size
        most: list[float] | None = None
        if "em" in m:
            most = m.base("em", size)
        elif "pm" in m or "p" in m:
            most = [v * 3600.0 for v in m.base("pm" if "pm" in m else "p", size)]
        cells = [(j, h) for j in range(size) for h in range(first[j], last[j] + 1)]
        rows: list[Row] = [([float(c[0] == j) for c in cells], "==", need[j]) for j in range(size)]
        if most:
            rows += [([float(c == d) for c in cells], "<=", most[d[0]]) for d in cells]
        if "cap" in m or "pcap" in m:
            limit = m.one("cap") if "cap" in m else m.one("pcap") * 3600.0
            rows += [([float(c[1] == h) for c in cells], "<=", limit) for h in range(1, hours + 1)]
        found = simplex([dirt[h - 1] for _, h in cells], rows)
        return least_of([] if found is None else [found])

    return {"model": model, "check": check}


def regions(names: Sequence[str], *, forbid: Sequence[str] = (), home: str = "") -> Made:
    """A divisible load over regions.

    Keys: ``load`` in all (energy, or requests with ``e`` by region or for all); by region ``ci``, ``pue``, ``cap``,
    ``low`` at least, ``tr`` carbon or ``et`` energy of sending a unit at ``cin`` (not for ``home``), ``lat`` with
    ``lim`` a limit of every region used or ``avg`` of the mean; ``share`` most of the load in one region.
    """
    open_ = [float(r not in forbid) for r in names]
    away = [float(r != home) for r in names]

    def model(t: Truth) -> None:
        t.group("REGION", names)
        for key in ["e", "ci", "pue", "cap", "low", "tr", "et", "lat"]:
            t.param(key, key, "REGION")
        for key in ["load", "cin", "lim", "avg", "share", "gb", "eg"]:
            t.param(key, key)
        if forbid:
            t.pattern("open", "REGION", open_)
        if home and not t.has("tr"):
            t.pattern("away", "REGION", away)
        t.variable("y", "REGION", "real")
        unit = "load*e[r]" if t.has("e") else "load"
        t.derive("energy", "r in REGION", "J", unit + ("*pue[r]" if t.has("pue") else ""))
        grams = "energy[r]*ci[r]"
        far = "away[r]*" if home else ""
        if t.has("tr"):
            grams += " + load*" + t.at("tr", "r")
        if t.has("et"):
            grams += f" + {far}load*et[r]*cin"
        t.objective = f"sum(r in REGION) y[r]*({grams})"
        t.require("served", "logic", "", "sum(r in REGION) y[r]", "==", "1")
        if t.has("cap"):
            t.require("capacity", "capacity", "r in REGION", "y[r]*load", "<=", "cap[r]")
        if t.has("low"):
            t.require("floor", "other", "r in REGION", "y[r]*load", ">=", t.at("low", "r"))
        if t.has("share"):
            t.require("spread", "other", "r in REGION", "y[r]", "<=", "share")
        if t.has("avg"):
            t.require("latency", "latency", "", "sum(r in REGION) y[r]*lat[r]", "<=", "avg")
        if t.has("lim"):
            t.require("near", "latency", "", "sum(r in REGION where lat[r] > lim) y[r]", "==", "0")
        if forbid:
            t.require("permitted", "logic", "r in REGION", "y[r]", "<=", "open[r]")

    def check(m: Marked) -> float:
        size = len(names)
        load = m.one("load")

        def at(key: str, r: int) -> float:
            return m.base(key, size)[r]

        def grams(r: int) -> float:
            total = (at("e", r) if "e" in m else 1.0) * (at("pue", r) if "pue" in m else 1.0) * at("ci", r)
            if names[r] != home:
                total += at("tr", r) if "tr" in m else 0.0
                total += at("et", r) * m.one("cin") if "et" in m else 0.0
            return total

        def unit(r: int) -> list[float]:
            return [float(r == s) for s in range(size)]

        rows: list[Row] = [([1.0] * size, "==", load)]
        for r in range(size):
            if "cap" in m:
                rows.append((unit(r), "<=", at("cap", r)))
            if "low" in m:
                rows.append((unit(r), ">=", at("low", r)))
            if "share" in m:
                rows.append((unit(r), "<=", m.one("share") * load))
            if names[r] in forbid or ("lim" in m and at("lat", r) > m.one("lim")):
                rows.append((unit(r), "<=", 0.0))
        if "avg" in m:
            rows.append(([at("lat", r) for r in range(size)], "<=", m.one("avg") * load))
        found = simplex([grams(r) for r in range(size)], rows)
        return least_of([] if found is None else [found])

    return {"model": model, "check": check}


def battery(hours: int, *, back: bool = True) -> Made:
    """Charging and discharging hour by hour; surplus sun is lost, nothing is sold.

    Keys: ``load``, ``sun`` (hour) energy, ``ci`` (hour), ``size``, ``init`` (nothing where absent), ``ch``, ``dis``
    most energy in an hour (or ``pc``, ``pd`` powers with ``step``), ``both`` where one number limits either; ``eta`` of
    charging, ``etd`` of discharging; ``end`` at least at the end; ``back``: the end is no lower than the beginning.
    """

    def model(t: Truth) -> None:
        t.group("HOUR", hours, ordered=True)
        for key in ("load", "sun", "ci"):
            t.param(key, key, "HOUR")
        for key in ["size", "init", "ch", "dis", "both", "pc", "pd", "eta", "etd", "end", "step"]:
            t.param(key, key)
        if t.has("sun"):
            t.variable("spill", "HOUR", "real", "sun", t.marks.units["sun"])
        t.variable("charge", "HOUR", "real", "size", t.marks.units["size"])
        t.variable("discharge", "HOUR", "real", "size", t.marks.units["size"])
        t.variable("stored", "HOUR", "real", "size", t.marks.units["size"])
        sun = " - (sun[h] - spill[h])" if t.has("sun") else ""
        t.derive("grid", "h in HOUR", "J", f"load[h]{sun} + charge[h] - discharge[h]")
        t.objective = "sum(h in HOUR) grid[h]*ci[h]"
        t.require("no_export", "logic", "h in HOUR", "grid[h]", ">=", "0 [J]")
        gain = "eta*charge" if t.has("eta") else "charge"
        loss = "discharge[h]/etd" if t.has("etd") else "discharge[h]"
        begin = "init + " if t.has("init") else ""
        t.require(
            "first", "energy", "", "stored[1]", "==", f"{begin}{gain}[1] - {loss.replace('[h]', '[1]')}"
        )
        follow = f"stored[h-1] + {gain}[h] - {loss}"
        t.require("follow", "energy", "h in HOUR where h > 1", "stored[h]", "==", follow)
        for limit, what, named in (
            *(("ch", "charge", "ch"), ("dis", "discharge", "dis")),
            *(("both", "charge", "in"), ("both", "discharge", "out")),
        ):
            if t.has(limit):
                t.require(named + "_limit", "capacity", "h in HOUR", f"{what}[h]", "<=", limit)
        for limit, what in (("pc", "charge"), ("pd", "discharge")):
            if t.has(limit):
                t.require(limit + "_limit", "capacity", "h in HOUR", f"{what}[h]", "<=", f"{limit}*step")
        if t.has("end"):
            t.require("last", "energy", "", f"stored[{hours}]", ">=", "end")
        elif t.has("init") and back:
            t.require("last", "energy", "", f"stored[{hours}]", ">=", "init")

    def check(m: Marked) -> float:
        load, dirt = m.base("load", hours), m.base("ci", hours)
        sun = m.base("sun", hours) if "sun" in m else [0.0] * hours
        size, init = m.one("size"), m.one("init") if "init" in m else 0.0
        eta, etd = (m.one(k) if k in m else 1.0 for k in ("eta", "etd"))
        most_in = m.one("ch") if "ch" in m else m.one("pc") * 3600.0 if "pc" in m else math.inf
        most_out = m.one("dis") if "dis" in m else m.one("pd") * 3600.0 if "pd" in m else math.inf
        if "both" in m:
            most_in, most_out = min(most_in, m.one("both")), min(most_out, m.one("both"))
        end = m.one("end") if "end" in m else init if back else 0.0

        # columns: grid, sun used, into the battery, out of it, for each hour
        def row(h: int, *values: float) -> list[float]:
            line = [0.0] * (4 * hours)
            line[4 * h : 4 * h + 4] = values
            return line

        rows: list[Row] = []
        for h in range(hours):
            rows.append((row(h, 1, 1, -1, 1), "==", load[h]))
            rows.append((row(h, 0, 1, 0, 0), "<=", sun[h]))
            rows.append((row(h, 0, 0, 1, 0), "<=", min(most_in, size / eta * 2)))
            rows.append((row(h, 0, 0, 0, 1), "<=", min(most_out, size * 2)))
            level = [sum(v) for v in zip(*(row(k, 0, 0, eta, -1 / etd) for k in range(h + 1)), strict=True)]
            rows.append((level, "<=", size - init))
            rows.append((level, ">=", -init))
        rows.append((level, ">=", end - init))
        found = simplex([v for h in range(hours) for v in (dirt[h], 0.0, 0.0, 0.0)], rows)
        return least_of([] if found is None else [found])

    return {"model": model, "check": check}


def replicas(sites: Sequence[str]) -> Made:
    """How many copies run at each site, and how the demand is shared among them.

    Keys by site: ``pi`` idle power over ``T`` or ``ei`` energy of a running copy, ``e`` energy of a request, ``ci``,
    ``pue``, ``cap`` requests of a copy, ``most`` copies, ``lo`` copies at least; ``dem`` requests in all.
    """

    def model(t: Truth) -> None:
        t.group("SITE", sites)
        for key in ["pi", "ei", "e", "ci", "pue", "cap", "most", "lo"]:
            t.param(key, key, "SITE")
        for key in ("T", "dem"):
            t.param(key, key)
        whole = t.has("lo") and "lo" not in t.marks.placed
        t.variable("n", "SITE", "integer", "most", t.marks.units["most"], "lo" if whole else 0.0)
        if t.has("lo") and not whole:
            t.require("awake", "other", "s in SITE", "n[s]", ">=", t.at("lo", "s"))
        t.variable("y", "SITE", "real")
        pue = "*pue[s]" if t.has("pue") else ""
        t.derive("standing", "s in SITE", "J", "ei[s]" if t.has("ei") else "pi[s]*T")
        t.objective = f"sum(s in SITE) (n[s]*standing[s] + y[s]*dem*e[s]){pue}*ci[s]"
        t.require("served", "logic", "", "sum(s in SITE) y[s]", "==", "1")
        t.require("capacity", "capacity", "s in SITE", "y[s]*dem", "<=", "n[s]*cap[s]")

    def check(m: Marked) -> float:
        size = len(sites)

        def at(key: str, s: int) -> float:
            return m.base(key, size)[s]

        def dirt(s: int) -> float:
            return at("ci", s) * (at("pue", s) if "pue" in m else 1.0)

        def grams(pick: tuple[int, ...]) -> float:
            standing = [at("ei", s) if "ei" in m else at("pi", s) * m.one("T") for s in range(size)]
            total = sum(pick[s] * standing[s] * dirt(s) for s in range(size))
            left = m.one("dem")
            for s in sorted(range(size), key=lambda s: at("e", s) * dirt(s)):
                part = min(left, pick[s] * at("cap", s))
                total += part * at("e", s) * dirt(s)
                left -= part
            return total if left <= m.one("dem") * 1e-12 else math.inf

        ranges = [
            range(round(at("lo", s)) if "lo" in m else 0, round(at("most", s)) + 1) for s in range(size)
        ]
        return least_of(grams(pick) for pick in itertools.product(*ranges))

    return {"model": model, "check": check}


def path(nodes: Sequence[str], arcs: Sequence[tuple[str, str]], begin: str, end: str) -> Made:
    """A path through a network of directed links.

    Keys by link: ``eb`` energy per bit, ``ci``, ``lat`` with ``lim`` in all; ``vol`` data; by node ``en`` energy per
    bit passing through a middle node at ``cn``; ``hops`` at most.
    """
    out = [float(a == n) for n in nodes for a, _ in arcs]
    into = [float(b == n) for n in nodes for _, b in arcs]
    mid = [float(n not in (begin, end)) for n in nodes]

    def model(t: Truth) -> None:
        t.group("NODE", nodes)
        t.group("LINK", [f"{a}-{b}" for a, b in arcs])
        for key in ("eb", "ci", "lat"):
            t.param(key, key, "LINK")
        for key in ("en", "cn"):
            t.param(key, key, "NODE")
        for key in ("vol", "lim", "hops"):
            t.param(key, key)
        t.pattern("leaves", "NODE LINK", out)
        t.pattern("enters", "NODE LINK", into)
        t.pattern("middle", "NODE", mid)
        t.variable("x", "LINK")
        grams = "vol*eb[a]*ci[a]" if t.has("eb") else ""
        if t.has("en"):
            through = "sum(n in NODE, q in NODE_SOME) enters[n,a]*in_NODE_SOME[n,q]*en[q]*cn[q]"
            grams += (" + " if grams else "") + f"vol*({through})"
        t.derive("grams", "a in LINK", "gCO2e", grams)
        t.objective = "sum(a in LINK) x[a]*grams[a]"

        def net(n: str, first: str, second: str) -> str:
            return f"sum(a in LINK) x[a]*({first}[{n},a] - {second}[{n},a])"

        t.require("depart", "logic", "", net(f"'{begin}'", "leaves", "enters"), "==", "1")
        t.require("pass", "logic", "n in NODE where middle[n]", net("n", "leaves", "enters"), "==", "0")
        if t.has("lim"):
            t.require("delay", "latency", "", "sum(a in LINK) x[a]*lat[a]", "<=", "lim")
        if t.has("hops"):
            t.require("hops", "other", "", "sum(a in LINK) x[a]", "<=", "hops")

    def check(m: Marked) -> float:
        size = len(arcs)

        def grams(i: int) -> float:
            total = m.base("eb", size)[i] * m.base("ci", size)[i] if "eb" in m else 0.0
            if "en" in m:
                n = nodes.index(arcs[i][1])
                total += m.base("en", len(nodes))[n] * m.base("cn", len(nodes))[n]
            return total * m.one("vol")

        def walks(here: str, seen: tuple[int, ...]) -> list[tuple[int, ...]]:
            if here == end:
                return [seen]
            been = {begin, *(arcs[i][1] for i in seen)}
            onward = [i for i, (a, b) in enumerate(arcs) if a == here and b not in been]
            return [w for i in onward for w in walks(arcs[i][1], (*seen, i))]

        def allowed(w: tuple[int, ...]) -> bool:
            if "lim" in m and not fits(sum(m.base("lat", size)[i] for i in w), m.one("lim")):
                return False
            return "hops" not in m or len(w) <= m.one("hops")

        return least_of(sum(grams(i) for i in w) for w in walks(begin, ()) if allowed(w))

    return {"model": model, "check": check}
