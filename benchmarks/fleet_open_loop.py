"""An open-loop load at 70 % of capacity on `gramwise fleet up`, beside `simulate` with the same arrivals and times.

Capacity is what the fleet answers to a closed loop of many connections through the gateway. Arrivals are a Poisson
process; nobody waits for an answer before sending the next request. A request's service time is what it kept its node
from the next one, as the ledger tells: from its sending or the node's answer before, whichever is later, to its own
answer. The simulation gets the very arrivals and these times, in the order in which each node served them.

Two more simulations say where a difference comes from. One decides by what a request takes on an idle node, as the
gateway does, which times its nodes when it starts; the other decides by the mean. And one has runs alone: the request's
CPU seconds, times the mean of the node's runs over that of their CPU seconds, with the median of all the rest as the
round trip of a link. What a node needs between two runs is then no part of it. It takes ``--seconds`` and a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

import numpy as np

import fleet_load as load
from fleet_load import Answer, Watch, stolen_s
from gramwise.gateway import loop
from gramwise.runtime.assembly import read_scenario
from gramwise.sim.simulate import simulate
from record import finish, row

if TYPE_CHECKING:
    import numpy.typing as npt

LOAD = 0.7
P99_RATIO = 1.25
FLAT_RATIO = 1.05
"""Most that memory may have grown between a tenth of the time and its end."""

LOOKS = (0.1, 0.5, 1.0)
LEAST_S = 1e-6
"""Of a service time: two answers of a node may reach the gateway in one breath."""

POLICY = "grams"
START = "2022-01-03T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run showed."""

    capacity_per_s: float
    times_s: npt.NDArray[np.float64]
    begin_s: float
    took_s: float
    answers: list[Answer]
    run_mean_s: dict[str, float]
    idle_s: dict[str, float]
    watch: Watch
    cpu_frac: dict[str, float]


def main() -> None:
    """Measure, simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="length of the load")
    parser.add_argument("--calibrate", type=float, default=20.0, help="seconds of the closed loop before")
    parser.add_argument("--seed", type=int, default=1, help="of arrivals")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "fleet.toml").write_text(load.scenario(), "utf-8")
        url = f"sqlite:///{folder / 'ledger.db'}"
        words = ("--no-auth", "--policy", POLICY, "--ledger", url, "--state", str(folder / "state"))
        with load.gateway("fleet", "up", str(folder / "fleet.toml"), *words) as (process, said):
            pids = {"gateway": process.pid, **{n["name"]: n["pid"] for n in said["nodes"]}}
            seen = loop.run(measure(said, pids, chosen.seconds, chosen.calibrate, chosen.seed))
        rows = load.ledger_rows(url, seen.begin_s)
        parts = parted(seen, rows)
        report(folder, seen, rows, parts, chosen.seconds)


async def measure(
    said: dict[str, Any], pids: dict[str, int], length_s: float, calibrate_s: float, seed: int
) -> Seen:
    """Calibrate, then send the load."""
    client = load.client_of(said["http"])
    capacity_per_s = await load.capacity_per_s(client, calibrate_s)
    times_s = load.poisson_s(LOAD * capacity_per_s, length_s, seed)
    idle_s = {n["name"]: await load.alone_s(n["http"]) for n in said["nodes"]}
    before = {n["name"]: await load.run_sums(n["http"]) for n in said["nodes"]}
    watch, begin_s, stolen_before_s = Watch(pids), time.time(), stolen_s()
    looking = asyncio.create_task(look(watch, length_s))
    answers = await load.open_loop(client, times_s.tolist())
    await looking
    took_s = time.time() - begin_s
    cpu_frac = {**watch.cpu_frac(took_s), "kept back by the host": (stolen_s() - stolen_before_s) / took_s}
    after = {n["name"]: await load.run_sums(n["http"]) for n in said["nodes"]}
    await client.close()
    means = {
        name: (after[name][0] - ran_s) / max(1.0, after[name][1] - runs)
        for name, (ran_s, runs) in before.items()
    }
    return Seen(capacity_per_s, times_s, begin_s, took_s, answers, means, idle_s, watch, cpu_frac)


async def look(watch: Watch, length_s: float) -> None:
    """Note memory at the named parts of the time."""
    at = 0.0
    for frac in LOOKS:
        await asyncio.sleep((frac - at) * length_s)
        at = frac
        watch.look()


@dataclass(frozen=True, slots=True)
class Parts:
    """Of one node's requests.

    Attributes:
        service_s: that each kept the node from the next, in the order of serving.
        run_s: what each would take in runs as steady as the CPU seconds.
        rest_s: median of a request's time outside run and queue.
        queue_s: in the node's queue, as it tells.
        energy_j: of a request, mean.
    """

    service_s: list[float]
    run_s: list[float]
    rest_s: float
    queue_s: list[float]
    energy_j: float


def parted(seen: Seen, rows: list[dict[str, Any]]) -> dict[str, Parts]:
    """What each node's requests were made of; a node without requests is left out."""
    pairs = load.matched(seen.answers, rows)
    found = {}
    for name, mean_s in seen.run_mean_s.items():
        mine = [(a, r) for a, r in pairs if r["node"] == name]
        if not mine:
            continue
        mine.sort(key=lambda pair: pair[1]["end_s"])
        begins_s, ends_s, cpu_s = (
            np.array([r[key] for _, r in mine]) for key in ("start_s", "end_s", "cpu_s")
        )
        queue_s = np.array([a.told["gramwise_queue_ms"] / 1e3 for a, _ in mine])
        run_s = cpu_s * mean_s / cpu_s.mean()
        rest_s = np.array([a.latency_s for a, _ in mine]) - queue_s - run_s
        service_s = ends_s - np.maximum(begins_s, np.concatenate([[0.0], ends_s[:-1]]))
        found[name] = Parts(
            service_s=np.maximum(service_s, LEAST_S).tolist(),
            run_s=run_s.tolist(),
            rest_s=max(0.0, median(rest_s.tolist())),
            queue_s=queue_s.tolist(),
            energy_j=fmean(r["energy_j"] for _, r in mine),
        )
    return found


class Simulations:
    """The same arrivals in `simulate`.

    Args:
        folder: for files.
        seen, parts: of the run.
    """

    def __init__(self, folder: Path, seen: Seen, parts: dict[str, Parts]) -> None:
        unused = [name for name in load.NODES if name not in parts]
        if unused:
            raise SystemExit(f"{', '.join(unused)} served nothing, so nothing is known of its service times")
        self._folder, self._parts = folder, parts
        with (folder / "arrivals.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["time_s"], *([f"{t:.6f}"] for t in seen.times_s.tolist())])

    def line(
        self,
        times_s: dict[str, list[float]],
        *,
        hop_s: dict[str, float] | None = None,
        told_s: dict[str, float] | None = None,
    ) -> dict[str, Any]:
        """The policy's line of the document.

        Args:
            times_s: service times by node.
            hop_s: round trip by node; None for none.
            told_s: seconds of a request by which decisions are made; None for the mean of ``times_s``.
        """
        told_s = told_s or {name: fmean(each) for name, each in times_s.items()}
        links = {name: f"link = {{ rtt_s = {rtt_s:.6f} }}" for name, rtt_s in (hop_s or {}).items()}
        costs = "".join(
            f'[[costs]]\nmodel = "digits"\nvariant = "fp32"\nnode = "{name}"\n'
            f"latency_s = {told_s[name] / load.COUNT}\nenergy_j = {each.energy_j / load.COUNT}\n"
            'source = "the run before"\n'
            for name, each in self._parts.items()
        )
        traffic = (
            '[[traffic]]\nname = "load"\nmodel = "digits"\nfile = "arrivals.csv"\n'
            f'count = {load.COUNT}\n[simulation]\nstart = "{START}"\nhours = 1.0\n'
        )
        file = self._folder / "simulated.toml"
        file.write_text(load.scenario(links) + costs + traffic, "utf-8")
        measured = {(name, "digits/fp32"): each for name, each in times_s.items()}
        document = simulate(read_scenario(file), policies=[POLICY], measured=measured)
        found: dict[str, Any] = document["policies"][0]
        return found


def report(
    folder: Path, seen: Seen, ledger: list[dict[str, Any]], parts: dict[str, Parts], length_s: float
) -> None:
    """Rows and details."""
    answered = [a for a in seen.answers if a.status == 200]
    failed = len(seen.answers) - len(answered)
    real = {f"p{p}": float(np.percentile([a.latency_s for a in answered], p)) for p in (50, 95, 99)}
    simulations = Simulations(folder, seen, parts)
    service_s = {name: each.service_s for name, each in parts.items()}
    alike = simulations.line(service_s)
    others = {
        "deciding by times on idle nodes": simulations.line(service_s, told_s=seen.idle_s),
        "with steady runs alone": simulations.line(
            {name: each.run_s for name, each in parts.items()},
            hop_s={name: each.rest_s for name, each in parts.items()},
        ),
    }
    ratios = {p: real[p] / alike["latency_s"][p] for p in real}
    lag_ms = [1e3 * a.lag_s for a in seen.answers]
    rss = seen.watch.rss_mb
    grown = {name: each[-1] / each[0] for name, each in rss.items() if name != "client"}
    shares = {name: len(each.service_s) / len(answered) for name, each in parts.items()}
    rows = [
        row("requests in the ledger as completed", "all", len(ledger), len(ledger) == len(seen.answers)),
        row("failed requests", "0", failed, failed == 0),
        row("p99 against simulate", f"<= {P99_RATIO} x", ratios["p99"], ratios["p99"] <= P99_RATIO),
        row("p50, p95 against simulate", "", (ratios["p50"], ratios["p95"]), None),
        row("p50, p95, p99 of the fleet (s)", "", tuple(real.values()), None),
        row("p50, p95, p99 simulated (s)", "", tuple(alike["latency_s"][p] for p in real), None),
        *(
            row(f"p99 against simulate {how}", "", real["p99"] / line["latency_s"]["p99"], None)
            for how, line in others.items()
        ),
        *(
            row(f"resident MB of {name} at 10, 50, 100 % of the time", f"<= {FLAT_RATIO} x", tuple(each), None)
            for name, each in rss.items()
        ),
        row("most growth of resident memory since 10 %", f"<= {FLAT_RATIO} x", max(grown.values()),
            max(grown.values()) <= FLAT_RATIO),
        row("lag of the client, p50, p99, most (ms)", "", tuple(np.percentile(lag_ms, (50, 99, 100)).tolist()), None),
        row("cores that the client used", "", seen.cpu_frac["client"], None),
        row("cores that the gateway used", "", seen.cpu_frac["gateway"], None),
        row("cores that the host kept back", "", seen.cpu_frac["kept back by the host"], None),
    ]  # fmt: skip
    nodes = {
        name: {
            "requests": len(each.service_s),
            "service_mean_s": fmean(each.service_s),
            "run_mean_s": seen.run_mean_s[name],
            "idle_request_s": seen.idle_s[name],
            "service_p50_p99_s": np.percentile(each.service_s, (50, 99)).tolist(),
            "rest_median_s": each.rest_s,
            "queue_p50_p99_s": np.percentile(each.queue_s, (50, 99)).tolist(),
            "share_frac": shares[name],
            "simulated_share_frac": alike["node_share_frac"][name],
            "busy_frac": sum(each.service_s) / seen.took_s,
            "cpu_frac": seen.cpu_frac[name],
        }
        for name, each in parts.items()
    }
    finish(
        "fleet_open_loop",
        rows,
        seconds=length_s,
        requests=len(seen.answers),
        capacity_per_s=seen.capacity_per_s,
        rate_per_s=len(seen.answers) / length_s,
        deadline_s=load.DEADLINE_S,
        late_frac={
            "fleet": sum(r["late"] for r in ledger) / max(1, len(ledger)),
            "simulated": alike["late"] / alike["requests"],
            **{how: line["late"] / line["requests"] for how, line in others.items()},
        },
        failures=Counter(f"{a.status}: {a.told.get('error')}" for a in seen.answers if a.status != 200),
        retried=sum(r["attempts"] > 1 for r in ledger),
        nodes=nodes,
    )


if __name__ == "__main__":
    main()
