"""Instances as typed problems, so that the compiler's optimum and the families' own programs check each other.

The formulas stand in full, from radio to embodied share; only what the module docstrings call a closed form (the least
number of steps that gives the wanted quality) is computed beforehand, and then listed as an assumption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gramwise.optimize.typed.record import (
    Assumption,
    Constraint,
    Derived,
    Formulator,
    Meta,
    Objective,
    Param,
    Problem,
    SetDecl,
    Variable,
)

from .sites import value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .powers import Channels, Powers
    from .sites import World
    from .timetable import Jobs

SOURCE = "kb:offload"
"""Every number of these problems is a draw from, or a row of, the table `offload`."""


def assignment_problem(world: World, name: str) -> Problem:
    """Family A: the one instance in ``world``."""
    return _offloading(world, name, None)


def levels_problem(world: World, name: str, clocks: NDArray[np.float64]) -> Problem:
    """Family B: sites at the given clocks, shares of full; ``world.steps`` are the least that quality asks for."""
    return _offloading(world, name, clocks)


def _offloading(world: World, name: str, clocks: NDArray[np.float64] | None) -> Problem:
    tasks, sites = world.steps.shape[1], world.step_s.shape[1]
    labels = ("phone", *(f"edge{i}" for i in range(1, sites - 1)), "cloud")
    task, site = ("TASK",), ("SITE",)
    edge = np.arange(sites) % (sites - 1) > 0
    clocked = clocks is not None
    params = [
        _param("q", "denoising steps", task, "step", world.steps[0]),
        _param("mem", "memory of the model in 16-bit floats", task, "GB", world.memory_gb[0]),
        _param("up", "sent to the site", task, "bit", world.up_bit[0]),
        _param("down", "sent back", task, "bit", world.down_bit[0]),
        _param("up_rate", "of the user's radio", task, "bit/s", world.up_bit_per_s[0]),
        _param("down_rate", "of the user's radio", task, "bit/s", world.down_bit_per_s[0]),
        _param("deadline", "by which the answer must be there", task, "s", world.deadline_s[0]),
        _param("CI", "carbon intensity", site, "gCO2e/kWh", world.intensity_g_per_kwh[0]),
        _param("step_time", "of a step at full clock", site, "s/step", world.step_s[0]),
        _param("busy", "power at full clock", site, "W", world.busy_w[0]),
        _param("idle", "idle power that a busy second carries", site, "W", world.idle_w[0]),
        _param("PUE", "wall energy over energy at the chip", site, "1", world.pue[0]),
        _param("embodied", "of a busy second", site, "gCO2e/s", world.embodied_g_per_s[0]),
        _param("round_trip", "of the network", site, "s", world.round_trip_s[0]),
        _param("remote", "1 but for the phone", site, "1", (np.arange(sites) > 0).astype(float)),
        _param("wide", "1 for the cloud", site, "1", (np.arange(sites) == sites - 1).astype(float)),
        _param("limited", "1 for edge sites", site, "1", edge.astype(float)),
        _param("room", "for steps" if not clocked else "for busy time", site, "step" if not clocked else "s",
               _finite(world.room_steps[0] * (1.0 if not clocked else world.step_s[0]))),
        _param("shelf", "memory", site, "GB", _finite(world.shelf_gb[0])),
        _param("tx", "radio while sending", (), "W", value("device.tx_w")),
        _param("rx", "radio while receiving", (), "W", value("device.rx_w")),
        _param("charge", "charger and battery", (), "1", value("device.charge_frac")),
        _param("net", "energy of the wide-area network", (), "J/bit", value("cloud.network_j_per_bit")),
        _param("phone_memory", "for one app", (), "GB", value("device.memory_gb")),
        _param("phone_share", "int8 over 16-bit", (), "1", value("device.memory_frac")),
        _param("CI_home", "of the users' grid", (), "gCO2e/kWh", world.intensity_g_per_kwh[0, 0]),
    ]  # fmt: skip
    sets = [SetDecl(name="TASK", size=tasks), SetDecl(name="SITE", labels=labels)]
    where, at, run_time, watt = "s in SITE", "s", "step_time[s]", "busy[s]"
    index: tuple[str, ...] = ("TASK", "SITE")
    if clocks is not None:
        sets.append(SetDecl(name="CLOCK", size=len(clocks)))
        params.append(_param("clock", "share of full clock", ("CLOCK",), "1", clocks))
        params.append(_param("static", "part of busy power", (), "1", value("server.static_frac")))
        where, at, index = "s in SITE, f in CLOCK", "s,f", (*index, "CLOCK")
        run_time, watt = "step_time[s]/clock[f]", "busy[s]*(static + (1 - static)*clock[f]^3)"
    scope = f"j in TASK, {where}"
    derived = [
        Derived(name="air", text="radio energy", forall="j in TASK", unit="J",
                expr="(tx*up[j]/up_rate[j] + rx*down[j]/down_rate[j])/charge"),
        Derived(name="run", text="time of the accelerator", forall=scope, unit="s", expr=f"q[j]*{run_time}"),
        Derived(name="late", text="time to the answer", forall=scope, unit="s",
                expr=f"run[j,{at}] + remote[s]*(up[j]/up_rate[j] + down[j]/down_rate[j] + round_trip[s])"),
        Derived(name="grams", text="carbon of a task there", forall=scope, unit="gCO2e",
                expr=f"remote[s]*air[j]*CI_home + wide[s]*net*(up[j] + down[j])*CI[s]"
                     f" + run[j,{at}]*(PUE[s]*({watt} + idle[s])*CI[s] + embodied[s])"),
    ]  # fmt: skip
    load = "q[j]" if not clocked else f"run[j,{at}]"
    inner = "f in CLOCK, " if clocked else ""
    constraints = [
        _row("one_place", "logic", "j in TASK", f"sum({where}) x[j,{at}]", "==", "1"),
        _row("in_time", "latency", "j in TASK", f"sum({where}) x[j,{at}]*late[j,{at}]", "<=", "deadline[j]"),
        _row("fits_room", "capacity", "s in SITE where limited[s] == 1",
             f"sum({inner}j in TASK) x[j,{at}]*{load}", "<=", "room[s]"),
        _row("fits_shelf", "memory", "s in SITE where limited[s] == 1",
             f"sum({inner}j in TASK) x[j,{at}]*mem[j]", "<=", "shelf[s]"),
        _row("fits_phone", "memory", "j in TASK",
             f"sum({where} where remote[s] == 0) x[j,{at}]*mem[j]*phone_share", "<=", "phone_memory"),
    ]  # fmt: skip
    assumptions = ["an own phone serves its own user's task only, and the cloud has room for all"]
    if clocked:
        assumptions.append("each task makes the least steps that reach its quality: more never emit less")
    variable = Variable(name="x", text="task j runs there", index=index, domain="binary", lower=0, upper=1)
    goal = f"sum(j in TASK, {where}) x[j,{at}]*grams[j,{at}]"
    family = "assignment_offloading" if not clocked else "dvfs"
    return _problem(name, family, sets, params, [variable], derived, goal, constraints, assumptions)


def power_problem(channels: Channels, case: Powers) -> Problem:
    """Family C: the one instance in ``channels``."""
    links = case.links
    off = 1.0 - np.eye(links)
    params = [
        _param(
            "gain", "at full power over noise, receiver by sender", ("LINK", "FROM"), "1", channels.gain[0]
        ),
        _param("other", "1 but for the link's own sender", ("LINK", "FROM"), "1", off),
        _param("CI", "carbon intensity", ("LINK",), "gCO2e/kWh", channels.intensity_g_per_kwh[0]),
        _param("spend", "energy of the slot at full power", (), "J", case.spend_j),
        _param("save", "energy of the other network per bit/s/Hz", (), "J", case.save_j),
    ]
    sets = [SetDecl(name="LINK", size=links), SetDecl(name="FROM", size=links)]
    variable = Variable(
        name="p", text="share of full power", index=("FROM",), domain="real", lower=0, upper=1
    )
    params.append(_param("same", "1 for the link's own sender", ("LINK", "FROM"), "1", np.eye(links)))
    derived = [
        Derived(name="noise", forall="i in LINK", expr="1 + sum(j in FROM) other[i,j]*gain[i,j]*p[j]"),
        Derived(name="signal", forall="i in LINK", expr="sum(j in FROM) same[i,j]*gain[i,j]*p[j]"),
        Derived(name="rate", text="bit/s/Hz", forall="i in LINK", expr="log2(1 + signal[i]/noise[i])"),
    ]
    goal = "sum(i in LINK) CI[i]*(spend*(sum(j in FROM) same[i,j]*p[j]) - save*rate[i])"
    assumptions = ["a bit that is not sent here goes over the cellular network"]
    return _problem(case.name, "power_allocation", sets, params, [variable], derived, goal, [], assumptions)


def deferral_problem(jobs: Jobs, name: str) -> Problem:
    """Family D: the one instance in ``jobs``, at its true intensities."""
    count, zones = jobs.power_w.shape[1], jobs.intensity_g_per_kwh.shape[1]
    hours = jobs.intensity_g_per_kwh.shape[2]
    labels = (*(f"zone{i}" for i in range(1, zones)), "rented")
    clock = np.arange(float(hours))
    params = [
        _param("P", "power of a job", ("JOB",), "W", jobs.power_w[0]),
        _param("length", "of a job", ("JOB",), "h", jobs.hours[0]),
        _param("release", "first hour it may start in", ("JOB",), "h", jobs.release[0]),
        _param("due", "hour by which it is done", ("JOB",), "h", jobs.due[0]),
        _param("CI", "carbon intensity", ("ZONE", "HOUR"), "gCO2e/kWh", jobs.intensity_g_per_kwh[0]),
        _param("factor", "energy there over energy of the job", ("ZONE",), "1", jobs.factor[0]),
        _param("room", "jobs at once", ("ZONE",), "job", _finite(jobs.room[0])),
        _param(
            "limited", "1 but for rented capacity", ("ZONE",), "1", np.isfinite(jobs.room[0]).astype(float)
        ),
        _param("begin", "of an hour", ("START",), "h", clock),
        _param("time", "of an hour", ("HOUR",), "h", clock),
        _param("slot", "length of an hour", (), "h", 1.0),
    ]
    sets = [
        SetDecl(name="JOB", size=count),
        SetDecl(name="ZONE", labels=labels),
        SetDecl(name="START", size=hours),
        SetDecl(name="HOUR", size=hours),
    ]
    runs = "time[h] >= begin[t] and time[h] < begin[t] + length[j]"
    may = "begin[t] >= release[j] and begin[t] + length[j] <= due[j]"
    index = ("JOB", "ZONE", "START")
    variable = Variable(
        name="x", text="job j starts there at t", index=index, domain="binary", lower=0, upper=1
    )
    constraints = [
        _row("once", "logic", "j in JOB", f"sum(z in ZONE, t in START where {may}) x[j,z,t]", "==", "1"),
        _row("never_else", "logic", "j in JOB", "sum(z in ZONE, t in START) x[j,z,t]", "==", "1"),
        _row("fits", "capacity", "z in ZONE, h in HOUR where limited[z] == 1",
             f"sum(j in JOB, t in START where {runs}) x[j,z,t]", "<=", "room[z]"),
    ]  # fmt: skip
    goal = (
        f"sum(j in JOB, z in ZONE, t in START, h in HOUR where {runs}) x[j,z,t]*P[j]*factor[z]*CI[z,h]*slot"
    )
    assumptions = ["a job runs without a break, in one zone"]
    return _problem(name, "temporal_shifting", sets, params, [variable], [], goal, constraints, assumptions)


def _problem(
    name: str,
    family: str,
    sets: list[SetDecl],
    params: list[Param],
    variables: list[Variable],
    derived: list[Derived],
    goal: str,
    constraints: list[Constraint],
    assumptions: list[str],
) -> Problem:
    embodied = any(p.name == "embodied" for p in params)
    return Problem(
        meta=Meta(
            id=name,
            title=f"mobile AIGC offloading, our reconstruction, family {name}",
            family=family,
            formulator=Formulator(name="offload", version="1"),
        ),
        sets=tuple(sets),
        params=tuple(params),
        variables=tuple(variables),
        derived=tuple(derived),
        objective=Objective(expr=goal, boundary="operational+embodied" if embodied else "operational"),
        constraints=tuple(constraints),
        assumptions=tuple(Assumption(text=a, source=SOURCE) for a in assumptions),
    )


def _param(name: str, text: str, index: tuple[str, ...], unit: str, values: Any) -> Param:
    return Param(
        name=name,
        text=text,
        index=index,
        unit=unit,
        kind="kb_default",
        values=np.asarray(values, dtype=np.float64).tolist(),
        source=SOURCE,
    )


def _row(name: str, kind: Any, forall: str, lhs: str, rel: Any, rhs: str) -> Constraint:
    return Constraint(name=name, kind=kind, forall=forall, lhs=lhs, rel=rel, rhs=rhs)


def _finite(limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where there is no limit the number is not used (``limited`` is 0 there), and JSON knows no infinity."""
    return np.where(np.isfinite(limits), limits, 0.0)
