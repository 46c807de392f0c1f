"""A run as a directory that anyone can read: written as it happens, so that what was measured outlives any fault.

``run.toml`` (what, where, when), ``scenario.toml`` (the scenario as it was read), ``outcomes.csv``, ``nodes.csv``,
``decisions.jsonl`` (the flight recorder) and ``summary.json``.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gramwise.core.decision import Decision, Outcome, PlanTable, Snapshot, Stage, place_of
from gramwise.core.errors import RunDirectoryError
from gramwise.runtime.outlookfile import recorded, restored

if TYPE_CHECKING:
    import numpy.typing as npt

SCHEMA = 1

OUTCOME_COLUMNS = (
    *("request", "policy", "repeat", "seq", "status", "node", "variant", "count", "correct"),
    *("arrival_s", "start_s", "end_s", "latency_s", "attempts", "late", "fallback"),
    *("cpu_s", "energy_j", "carbon_g", "method", "decision_s", "deferred_s"),
)
NODE_COLUMNS = (
    *("policy", "repeat", "block", "node", "window_s"),
    *("attributed_j", "idle_j", "overhead_j", "metered_j"),
    *("attributed_s", "overhead_s", "metered_s"),
)

UPPER = (
    "intensity_g_per_kwh",
    "intensity_age_s",
    "pue",
    "alive",
    "cpu_share",
    "memory_bytes",
    "slots",
    "busy_w",
    "idle_w",
)
LOWER = ("queued", "backlog_s", "busy_frac", "assigned", "recent_s", "mean_s")
"""Columns of a snapshot that change per minute, and per request: the recorder writes the first once a version."""


class RunDirectory:
    """Writes one run.

    Args:
        home: parent directory, made when missing.
        name: of the scenario, part of the directory's name.
        facts: for ``run.toml``: flat, of strings, numbers and booleans; None is left out.
        scenario: text of the scenario.

    Raises:
        RunDirectoryError: cannot be written. Files that were already written stay.
    """

    def __init__(self, home: Path, name: str, facts: Mapping[str, Any], scenario: str) -> None:
        self._facts = dict(facts)
        with self._writing(home):
            self.path = _fresh(home, name)
            (self.path / "scenario.toml").write_text(scenario, encoding="utf-8")
            self._write_facts(finished=False)
            self._outcomes = self._table("outcomes.csv", OUTCOME_COLUMNS)
            self._nodes = self._table("nodes.csv", NODE_COLUMNS)
            self._decisions = (self.path / "decisions.jsonl").open("w", encoding="utf-8")
        self._versions: set[int] = set()

    def outcome(self, outcome: Outcome, repeat: int, seq: int) -> None:
        """One row of ``outcomes.csv``."""
        o = outcome
        method = o.method if math.isfinite(o.cost.energy_j) else None  # nothing is known of what is not known
        row = (
            o.request, o.policy, repeat, seq, o.status, o.node, o.variant, o.count, o.correct, o.arrival_s, o.start_s,
            o.end_s, o.cost.latency_s, o.attempts, int(o.late), int(o.fallback), o.cpu_s, o.cost.energy_j,
            o.cost.carbon_g, method, o.decision_s, o.deferred_s,
        )  # fmt: skip
        self._row(self._outcomes, row)

    def node(self, row: Mapping[str, Any]) -> None:
        """One row of ``nodes.csv``."""
        self._row(self._nodes, [row[column] for column in NODE_COLUMNS])

    def decision(self, decision: Decision, fallback: bool) -> None:
        """One line of ``decisions.jsonl``, after the upper block of its snapshot if that is new."""
        snapshot = decision.snapshot
        with self._writing(self.path):
            if snapshot.version not in self._versions:
                self._versions.add(snapshot.version)
                self._decisions.write(json.dumps(_upper(snapshot)) + "\n")
            self._decisions.write(json.dumps(_lower(decision, fallback)) + "\n")

    def flush(self) -> None:
        """Bring what was written to disk."""
        with self._writing(self.path):
            for file in (self._outcomes[0], self._nodes[0], self._decisions):
                file.flush()

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the summary and mark the run finished."""
        with self._writing(self.path):
            text = json.dumps(summary, indent=1, allow_nan=False)
            (self.path / "summary.json").write_text(text + "\n", encoding="utf-8")
            self._write_facts(finished=True)

    def close(self) -> None:
        """Close the files; what a full disk does not take is reported by `flush`, not here."""
        for file in (self._outcomes[0], self._nodes[0], self._decisions):
            try:
                file.close()
            except OSError:
                continue

    def _table(self, name: str, columns: tuple[str, ...]) -> tuple[IO[str], Any]:
        file = (self.path / name).open("w", encoding="utf-8", newline="")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        return file, writer

    def _row(self, table: tuple[IO[str], Any], values: Any) -> None:
        with self._writing(self.path):
            table[1].writerow([_cell(value) for value in values])

    def _write_facts(self, *, finished: bool) -> None:
        facts = {**self._facts, "finished": finished}
        if finished:
            facts["ended"] = datetime.now(UTC).isoformat(timespec="seconds")
        lines = [f"schema = {SCHEMA}", "", "[run]"]
        # A JSON string, number or boolean is a TOML one too.
        lines += [f"{key} = {json.dumps(value)}" for key, value in facts.items() if value is not None]
        (self.path / "run.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @contextmanager
    def _writing(self, where: Path) -> Iterator[None]:
        try:
            yield
        except OSError as fault:
            raise RunDirectoryError(
                f"{where}: the run directory cannot be written: {fault.strerror or fault}. What was measured before is"
                " kept there. Free some space, or write another directory with --out."
            ) from fault


def _fresh(home: Path, name: str) -> Path:
    """A directory that did not exist, named by time and scenario."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.")[
        :60
    ]  # a scenario's name may hold anything, a slash too
    for i in range(1000):
        path = home / (f"{stamp}-{plain}" + (f"-{i}" if i else ""))
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if not home.is_dir():
                raise
            continue
        return path
    raise FileExistsError(f"{home} holds a thousand runs of this second")


def _cell(value: Any) -> Any:
    """Empty means unknown: a missing value is never written as 0."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(value) if isinstance(value, float) else value


def _known(column: npt.NDArray[Any]) -> list[Any]:
    """Values as JSON has them: NaN (unknown) is null, an infinity is text that ``float`` reads."""
    return [v if not isinstance(v, float) or math.isfinite(v) else _odd(v) for v in column.tolist()]


def _odd(value: float) -> str | None:
    return None if math.isnan(value) else str(value)


def _upper(s: Snapshot) -> dict[str, Any]:
    p = s.plans
    return {
        "type": "snapshot",
        "version": s.version,
        "nodes": s.nodes,
        "zone": s.zone,
        "signal": s.signal,
        "basis": s.basis,
        "baseline": s.baseline,
        "max_intensity_age_s": s.max_intensity_age_s,
        **{name: _known(getattr(s, name)) for name in UPPER},
        "plans": {
            "model": p.model,
            "variant": p.variant,
            **{name: _known(getattr(p, name)) for name in _PLAN_COLUMNS},
            **({"split": _split(s), "planned": p.planned} if p.stages or p.planned >= 0 else {}),
        },
        **recorded(s),
    }


def _split(s: Snapshot) -> list[dict[str, Any]]:
    """The rows that are split: where they run, and stage by stage what that takes."""
    return [
        {
            "row": row,
            "nodes": place_of(s, row),
            "stages": [{k: _finite(v) for k, v in asdict(stage).items()} for stage in stages],
        }
        for row, stages in s.plans.stages.items()
    ]


def _finite(value: Any) -> Any:
    return _odd(value) if isinstance(value, float) and not math.isfinite(value) else value


def _stage(row: Mapping[str, Any]) -> Stage:
    texts = {key: tuple(row[key]) for key in ("inputs", "outputs")}
    floats = {key: math.nan if row[key] is None else float(row[key]) for key in ("latency_s", "energy_j")}
    given: dict[str, Any] = {**row, **texts, **floats, "layers": row["layers"] and tuple(row["layers"])}
    return Stage(**given)


_PLAN_COLUMNS = ("node", "reference", "latency_s", "fixed_s", "energy_j", "accuracy_frac", "memory_bytes")


def _lower(decision: Decision, fallback: bool) -> dict[str, Any]:
    r, s = decision.request, decision.snapshot
    return {
        "type": "decision",
        "request": {
            "id": r.id,
            "seq": r.seq,
            "draw": r.draw,
            "model": r.model,
            "arrival_s": r.arrival_s,
            "deadline_s": r.deadline_s,
            "count": r.count,
            "accuracy_floor_frac": r.accuracy_floor_frac,
            "allowed_zones": sorted(r.allowed_zones) if r.allowed_zones is not None else None,
            "deferrable_until_s": r.deferrable_until_s,
        },
        "policy": decision.policy.name,
        "fallback": fallback,
        "version": s.version,
        "at_s": s.at_s,
        "row": decision.row,
        **{name: _known(getattr(s, name)) for name in LOWER},
    }


def read_decisions(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each recorded decision with the upper block that it saw.

    Raises:
        RunDirectoryError: not a run directory, or a line that cannot be read.
    """
    file = path / "decisions.jsonl"
    if not file.is_file():
        raise RunDirectoryError(
            f"{path}: not a run directory, it holds no decisions.jsonl. Name one that bench wrote."
        )
    uppers: dict[int, dict[str, Any]] = {}
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                return  # the line that was being written when the run stopped
            try:
                record = json.loads(line)
                if record["type"] == "snapshot":
                    uppers[record["version"]] = record
                    continue
                upper = uppers[record["version"]]
            except (ValueError, KeyError, TypeError) as fault:
                raise RunDirectoryError(f"{file}: line {number} cannot be read ({fault}).") from fault
            yield record, upper


def rebuild(record: Mapping[str, Any], upper: Mapping[str, Any]) -> tuple[Any, Snapshot]:
    """The request and the snapshot of a recorded decision, as the policy saw them."""
    import numpy as np

    from gramwise.core.decision import Request

    def floats(values: list[Any]) -> npt.NDArray[np.float64]:
        return np.array([math.nan if v is None else float(v) for v in values], dtype=np.float64)

    integral, logical = {"slots", "queued", "assigned", "node"}, {"alive", "reference"}

    def column(name: str, values: list[Any]) -> npt.NDArray[Any]:
        if name in integral:
            return np.array(values, dtype=np.int64)
        return np.array(values, dtype=np.bool_) if name in logical else floats(values)

    plan_columns: dict[str, Any] = {name: column(name, upper["plans"][name]) for name in _PLAN_COLUMNS}
    node_columns: dict[str, Any] = {name: column(name, upper[name]) for name in UPPER}
    node_columns |= {name: column(name, record[name]) for name in LOWER}
    plans = PlanTable(
        model=tuple(upper["plans"]["model"]),
        variant=tuple(upper["plans"]["variant"]),
        stages={
            each["row"]: tuple(_stage(row) for row in each["stages"])
            for each in upper["plans"].get("split", ())
        },
        planned=upper["plans"].get("planned", -1),
        **plan_columns,
    )
    snapshot = Snapshot(
        version=upper["version"],
        at_s=record["at_s"],
        plans=plans,
        nodes=tuple(upper["nodes"]),
        zone=tuple(upper["zone"]),
        signal=upper["signal"],
        basis=upper["basis"],
        baseline=upper["baseline"],
        max_intensity_age_s=upper["max_intensity_age_s"],
        **restored(upper),
        **node_columns,
    )
    asked = dict(record["request"])
    zones = asked.pop("allowed_zones")
    return Request(**asked, allowed_zones=None if zones is None else frozenset(zones)), snapshot
