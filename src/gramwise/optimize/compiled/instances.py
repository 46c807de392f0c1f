"""Random typed problems from a seed: what forms and solvers are held against each other on, in tests and benchmarks.

The spreads make the choice hard and measure nothing. `offloading` is the assignment of jobs to sites with deadlines and
capacities; `clocked` adds the clock frequency of each; `random_problem` draws its terms from the whole language.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..typed.record import (
    Constraint,
    Derived,
    Meta,
    Objective,
    Param,
    Problem,
    SetDecl,
    Values,
    Variable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gramwise.core.decision import Floats


def param(name: str, values: Floats | float, unit: str = "1", *index: str) -> Param:
    """A parameter of a made-up problem."""
    held: Any = np.asarray(values, dtype=np.float64).tolist()
    return Param(name=name, unit=unit, index=index, values=held, source="kb:made-up")


def offloading(jobs: int, sites: int, seed: int, *, slack: float = 1.4) -> Problem:
    """Jobs to sites, one each, within a deadline and the sites' cycles, with the fewest grams.

    Args:
        jobs, sites: how many.
        seed: of the generator.
        slack: capacity as a multiple of what the sites would need at an even share.
    """
    rng = np.random.default_rng([jobs, sites, seed])
    work, data = rng.uniform(200, 2000, jobs), rng.uniform(2, 40, jobs)
    rate, clock = rng.uniform(20, 200, sites), rng.uniform(1000, 4000, sites)
    remote = np.ones(sites)
    remote[0] = 0
    seconds = remote * data[:, None] / rate + work[:, None] / clock
    share = rng.uniform(0.6, 1.4, sites)
    # one assignment is planted, so that something is always feasible
    planted = np.argsort(seconds, axis=1)[np.arange(jobs), rng.integers(0, max(1, sites // 2), jobs)]
    load = np.bincount(planted, weights=work, minlength=sites)
    longest = float(seconds[np.arange(jobs), planted].max())
    return Problem(
        meta=Meta(id=f"offloading-{jobs}x{sites}-{seed}"),
        sets=(SetDecl(name="JOB", size=jobs), SetDecl(name="SITE", size=sites)),
        params=(
            param("W", work, "Mcycle", "JOB"),
            param("D", data, "Mbit", "JOB"),
            param("rate", rate, "Mbit/s", "SITE"),
            param("clock", clock, "Mcycle/s", "SITE"),
            param("kap", rng.uniform(0.5e-27, 2e-27, sites), "J*s^2/cycle^3", "SITE"),
            param("Ptx", 1.2, "W"),
            param("PUE", rng.uniform(1.0, 1.6, sites), "1", "SITE"),
            param("CI", rng.uniform(40, 600, sites), "gCO2e/kWh", "SITE"),
            param("cap", np.maximum(slack * work.sum() * share / sites, 1.001 * load), "Mcycle", "SITE"),
            param("remote", remote, "1", "SITE"),
            param("L", max(float(np.quantile(seconds, 0.6)), 1.001 * longest), "s"),
        ),
        variables=(Variable(name="x", index=("JOB", "SITE"), domain="binary", lower=0, upper=1),),
        derived=(
            Derived(name="t_tx", forall="j in JOB, s in SITE", unit="s", expr="remote[s]*D[j]/rate[s]"),
            Derived(name="e_cpu", forall="j in JOB, s in SITE", unit="J", expr="kap[s]*W[j]*clock[s]^2"),
            Derived(
                name="e", forall="j in JOB, s in SITE", unit="J", expr="Ptx*t_tx[j,s] + PUE[s]*e_cpu[j,s]"
            ),
        ),
        objective=Objective(expr="sum(j in JOB, s in SITE) x[j,s]*e[j,s]*CI[s]"),
        constraints=(
            _one_each(),
            Constraint(
                name="deadline", kind="latency", forall="j in JOB", rel="<=", rhs="L",
                lhs="sum(s in SITE) x[j,s]*(t_tx[j,s] + W[j]/clock[s])",
            ),
            Constraint(
                name="capacity", kind="capacity", forall="s in SITE", rel="<=", rhs="cap[s]",
                lhs="sum(j in JOB) x[j,s]*W[j]",
            ),
        ),
    )  # fmt: skip


def clocked(jobs: int, sites: int, seed: int) -> Problem:
    """`offloading` with the clock of every job at every site to be chosen as well: energy ``kappa*W*f^2``."""
    plain = offloading(jobs, sites, seed)
    params = tuple(p for p in plain.params if p.name != "clock")
    clock = next(p for p in plain.params if p.name == "clock")
    return plain.model_copy(
        update={
            "meta": Meta(id=f"clocked-{jobs}x{sites}-{seed}"),
            "params": (*params, clock.model_copy(update={"name": "fmax"})),
            "variables": (
                *plain.variables,
                Variable(
                    name="f", index=("JOB", "SITE"), domain="real", lower=0, upper="fmax", unit="Mcycle/s"
                ),
            ),
            "derived": tuple(
                d.model_copy(update={"expr": d.expr.replace("clock[s]", "f[j,s]")}) for d in plain.derived
            ),
            "constraints": tuple(
                c.model_copy(update={"lhs": c.lhs.replace("clock[s]", "f[j,s]")}) for c in plain.constraints
            ),
        }
    )


def _one_each() -> Constraint:
    return Constraint(
        name="one_site", kind="logic", forall="j in JOB", lhs="sum(s in SITE) x[j,s]", rel="==", rhs="1"
    )


_TERMS: tuple[str, ...] = (
    "sum(a in A, b in B) x[a,b]*c[a,b]",
    "sum(a in A) y[a]*d[a]",
    "sum(a in A, b in B where c[a,b] > 2) x[a,b]*y[a]*d[a]",
    "sum(a in A) x[a,1]*x[a,2]*d[a]",
    "sum(a in A) d[a]*max(y[a], 1)",
    "sum(a in A) d[a]*abs(y[a] - 1)",
    "sum(a in A) d[a]*y[a]^2",
    "sum(a in A) d[a]*exp(y[a]/2)",
    "sum(a in A) d[a]/(1 + y[a])",
    "sum(a in A) d[a]*sqrt(n[a] + 1)",
    "sum(a in A) n[a]*d[a]",
    "sum(a in A where a > 1) d[a]*abs(y[a] - y[a-1])",
    "sum(a in A) g[a]*CI",
)
_LINEAR = (0, 1, 10)


def random_problem(seed: int, *, linear: bool = False, terms: int = 4) -> Problem:
    """Binaries over two sets, reals and whole numbers, terms of the whole language, limits that a random point keeps.

    Args:
        seed: of the generator.
        linear: only linear terms.
        terms: of the objective.
    """
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(2, 6)), int(rng.integers(2, 5))
    pool: Sequence[int] = _LINEAR if linear else range(len(_TERMS))
    drawn = rng.choice(np.array(pool), size=min(terms, len(pool)), replace=False)
    expr = " + ".join(["0", *(_TERMS[i] for i in drawn)])
    loads = rng.uniform(1, 5, n)
    row: dict[str, Any] = {"kind": "other"}
    constraints = [
        Constraint(name="one", forall="a in A", lhs="sum(b in B) x[a,b]", rel="==", rhs="1", **row),
        Constraint(name="room", forall="b in B", lhs="sum(a in A) x[a,b]*w[a]", rel="<=", rhs="k[b]", **row),
        Constraint(name="work", lhs="sum(a in A) (y[a] + n[a])", rel=">=", rhs="h", **row),
        Constraint(
            name="tied", forall="a in A where a > 1", lhs="y[a]", rel="<=", rhs="y[a-1] + 1 + 2*x[a,1]", **row
        ),
    ]
    if not linear and seed % 2:
        constraints.append(
            Constraint(
                name="bent",
                forall="a in A",
                lhs="y[a]^2 + max(n[a], y[a]) - x[a,2]*y[a]",
                rel="<=",
                rhs="20",
                **row,
            )
        )
    values: Values = tuple(tuple(float(v) for v in r) for r in rng.uniform(0.5, 5, (n, m)))
    return Problem(
        meta=Meta(id=f"random-{seed}"),
        sets=(SetDecl(name="A", size=n, ordered=True), SetDecl(name="B", size=m)),
        params=(
            Param(name="c", index=("A", "B"), values=values, source="kb:made-up"),
            param("d", rng.uniform(-1.5, 4, n), "1", "A"),
            param("w", loads, "1", "A"),
            param("k", np.full(m, loads.sum() / m * 1.5 + loads.max() / 2), "1", "B"),
            param("h", float(rng.uniform(1, 3) * n)),
            param("CI", float(rng.uniform(1, 3))),
        ),
        variables=(
            Variable(name="x", index=("A", "B"), domain="binary", lower=0, upper=1),
            Variable(name="y", index=("A",), domain="real", lower=0, upper=4),
            Variable(name="n", index=("A",), domain="integer", lower=0, upper=3),
        ),
        derived=(Derived(name="g", forall="a in A", expr="d[a]*(y[a] + 2*n[a]) - x[a,1]"),),
        objective=Objective(expr=expr),
        constraints=tuple(constraints),
    )
