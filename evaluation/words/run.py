"""The table of the evaluation: ``python -m evaluation.words.run [--half dev|used|test|all] [--json FILE] [--mutants]``.

Runs a formulator (the offline one, or ``--formulator package.module:Class``) and the retrieval over a half of the set,
and with ``--mutants`` the equivalence test and the validator over faults put into the truths. What stands item by item
is written for the dev half only, unless ``--details`` asks for it: whoever builds a formulator must not look there.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gramwise.core.errors import GramwiseError
from gramwise.optimize.typed.record import Problem
from gramwise.optimize.typed.validate import validate
from gramwise.optimize.words.formulator import Draft, Formulator

from .equivalence import equivalent
from .mutants import corrupt
from .scores import Score, f1, interval, ratio, score

HERE = Path(__file__).resolve().parent
HALVES = ("dev", "used", "test")
"""Tuned with; once for judging, since looked at and tuned with; for judging."""
STATUSES = ("formulated", "needs_input", "contradiction", "out_of_scope")
MUTANT_KINDS = (("drop",), ("flip",), ("unit_3600",), ("index",), ("unit_kind", "unit_prefix"))
"""Five faults an item; the last is a second unit mutant, since no item holds decibels, of either sort in turn."""


def load(half: str) -> list[dict[str, Any]]:
    """The items of one of ``HALVES``, after a look at their hash.

    Raises:
        ValueError: the file is not the one that was frozen.
    """
    path = HERE / f"{half}.jsonl"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if f"{digest}  {path.name}" not in (HERE / "FROZEN").read_text("utf-8").splitlines():
        raise ValueError(f"{path.name} is not as it was frozen: its hash {digest} is not in FROZEN")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def formulated(items: Sequence[dict[str, Any]], formulator: Formulator) -> list[Score]:
    """A score for each item; a formulator that raises has the status ``error``, and ``said`` holds what it raised."""
    scores = []
    for item in items:
        started = time.process_time()
        try:
            draft, fault = formulator.formulate(item["text"]), ""
        except GramwiseError as raised:
            draft, fault = Draft(status="out_of_scope"), f"{type(raised).__name__}: {raised}"
        except Exception as raised:  # noqa: BLE001 - a crash of the one who is judged is a result, not our fault
            draft, fault = Draft(status="out_of_scope"), f"crash {type(raised).__name__}: {raised}"
        made = score(item, draft, time.process_time() - started)
        if fault:
            made.status, made.said = "error", fault
        scores.append(made)
    return scores


# ----------------------------------------------------------------- measures

Measure = Callable[[Sequence[Score]], float | None]


def _share(test: Callable[[Score], bool]) -> Measure:
    return lambda scores: ratio(sum(map(test, scores)), len(scores))


def _same(s: Score) -> bool:
    return s.verdict is not None and s.verdict.same


def _is(s: Score) -> bool:
    return s.status == s.expected


def measures(scores: Sequence[Score]) -> dict[str, Any]:
    """Every figure with its 95 % interval (bootstrap over items) and how many items it rests on."""
    known = [s for s in scores if s.known]
    solvable = [s for s in known if s.expected == "formulated"]
    plain = [s for s in solvable if s.kind in ("plain", "mixed")]
    tried = [s for s in solvable if s.slots[1] or s.bound]
    refused = [s for s in known if s.expected != "formulated"]
    rows: dict[str, tuple[Sequence[Score], Measure]] = {
        "equivalent, plain and mixed, known families": (plain, _share(_same)),
        "equivalent, long with distractors, known families": (
            [s for s in solvable if s.kind == "long"],
            _share(_same),
        ),
        "equivalent, absent families": (
            [s for s in scores if not s.known and s.expected == "formulated"],
            _share(_same),
        ),
        "under-specified, contradictory, out of scope recognised": (refused, _share(_is)),
        "the same, absent families": (
            [s for s in scores if not s.known and s.expected != "formulated"],
            _share(_is),
        ),
        "formulated though it should not be": (refused, _share(lambda s: s.status == "formulated")),
        "formulated but not equivalent, of solvable": (
            solvable,
            _share(lambda s: s.status == "formulated" and not _same(s)),
        ),
        "binds, of solvable": (solvable, _share(lambda s: s.bound)),
        "no blocking code, of solvable": (solvable, _share(lambda s: s.bound and not s.coded)),
        "same fingerprint, of equivalent": (
            [s for s in solvable if _same(s)],
            _share(lambda s: s.verdict is not None and s.verdict.same_print),
        ),
        "slot F1": (tried, lambda group: f1(s.slots for s in group)[2]),
        "slot precision": (tried, lambda group: f1(s.slots for s in group)[0]),
        "slot recall, of all solvable": (solvable, lambda group: f1(s.slots for s in group)[1]),
        "unit errors, of the numbers found": (
            tried,
            lambda group: ratio(sum(s.unit_errors for s in group), sum(s.slots[1] for s in group)),
        ),
        "invented numbers, of the numbers given": (
            [s for s in scores if s.bound],
            lambda group: ratio(sum(s.invented for s in group), sum(s.slots[1] for s in group)),
        ),
        "numbers of the truth used (closure), of formulated": (
            [s for s in solvable if s.status == "formulated" and s.used is not None],
            lambda group: ratio(sum(s.used or 0.0 for s in group), len(group)),
        ),
        "constraint rows F1": (tried, lambda group: f1(s.rows for s in group)[2]),
        "constraint rows precision": (tried, lambda group: f1(s.rows for s in group)[0]),
        "constraint rows recall": (tried, lambda group: f1(s.rows for s in group)[1]),
        "asked for the missing thing, known families": (
            [s for s in known if s.hit is not None],
            _share(lambda s: bool(s.hit)),
        ),
        "questions asked on a solvable item": (
            solvable,
            lambda group: ratio(sum(s.questions for s in group), len(group)),
        ),
        "CPU seconds an item": (scores, lambda group: float(np.median([s.spent_s for s in group]))),
    }
    for level in (1, 2, 3):
        group = [s for s in plain if s.level == level]
        rows[f"equivalent, plain and mixed, level {level}"] = (group, _share(_same))
    for status in STATUSES:
        rows[f"precision of {status}"] = ([s for s in scores if s.status == status], _share(_is))
        rows[f"recall of {status}"] = ([s for s in scores if s.expected == status], _share(_is))
    return {name: _figure(group, measure) for name, (group, measure) in rows.items()}


def _figure(group: Sequence[Any], measure: Callable[[Sequence[Any]], float | None]) -> dict[str, Any]:
    found = interval(group, measure) if group else None
    value, low, high = found or (None, None, None)
    return {"value": value, "low": low, "high": high, "items": len(group)}


# ---------------------------------------------------------------- retrieval


def retrieved(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Recall@1/3/5, MRR and nDCG@5 of the family by level, for all items of known families but those out of scope."""
    from gramwise.optimize.words.assemble_lists import with_lists
    from gramwise.optimize.words.marks import nearest_families
    from gramwise.optimize.words.reading.read import read

    places: list[tuple[int, int]] = []
    for item in items:
        if item["known"] and item["class"] != "out":
            hits = [h.entry.id for h in nearest_families(with_lists(read(item["text"])), k=15)]
            wanted = f"family.{item['family']}"
            places.append((item["level"], hits.index(wanted) + 1 if wanted in hits else 0))
    out = {}
    for name, levels in (("all", (1, 2, 3)), ("level 1", (1,)), ("level 2", (2,)), ("level 3", (3,))):
        group = [place for level, place in places if level in levels]
        for k in (1, 3, 5):
            out[f"recall@{k}, {name}"] = _figure(group, _within(k))
        out[f"MRR, {name}"] = _figure(group, lambda g: ratio(sum(1 / p for p in g if p), len(g)))
        out[f"nDCG@5, {name}"] = _figure(
            group, lambda g: ratio(sum(1 / math.log2(p + 1) for p in g if 0 < p <= 5), len(g))
        )
    return out


def _within(k: int) -> Callable[[Sequence[int]], float | None]:
    return lambda group: ratio(sum(0 < p <= k for p in group), len(group))


# ------------------------------------------------------------------ mutants


def mutants(halves: Sequence[str] = HALVES, *, count: int = 40, seed: int = 6) -> dict[str, Any]:
    """Five faults in each of ``count`` truths, evenly from the halves: who notices; and false alarms on all truths."""
    truths = {half: [d for d in load(half) if d["truth"]] for half in halves}
    rng = np.random.default_rng(seed)
    chosen = []
    for half, share in zip(halves, np.array_split(np.arange(count), len(halves)), strict=True):
        order = rng.permutation(len(truths[half]))[: len(share)]
        chosen += [truths[half][i] for i in sorted(order)]
    tally: dict[str, Counter[str]] = {}
    survivors = []
    for n, item in enumerate(chosen):
        truth = Problem.model_validate(item["truth"])
        sound = {f.code for f in validate(truth, text=item["text"]).findings}
        for kinds in MUTANT_KINDS:
            kind = kinds[n % len(kinds)]
            mutant = corrupt(truth, kind, rng)
            if mutant is None:
                continue
            seen = tally.setdefault(kind, Counter())
            found = validate(mutant, text=item["text"]).findings
            blocked = any(f.blocks for f in found)
            warned = any(f.code not in sound for f in found)
            verdict = equivalent(truth, mutant, kept=[(a, b) for a, b in item["kept"]])
            noticed = not verdict.same or verdict.same_region is False
            seen.update(
                made=1,
                by_optimum=int(not verdict.same),
                by_equivalence=int(noticed),
                by_validator=int(blocked or warned),
                blocked=int(blocked),
                by_either=int(noticed or blocked or warned),
            )
            if not noticed:
                survivors.append(f"{item['id']} {kind}")
    alarms = [
        {
            "id": d["id"],
            "codes": sorted(
                {
                    f.code
                    for f in validate(Problem.model_validate(d["truth"]), text=d["text"]).findings
                    if f.blocks
                }
            ),
        }
        for half in halves
        for d in truths[half]
    ]
    return {
        "items": len(chosen),
        "kinds": {kind: dict(seen) for kind, seen in tally.items()},
        "all": dict(sum(tally.values(), Counter[str]())),
        "not_noticed": survivors,
        "truths": len(alarms),
        "false_alarms": [a for a in alarms if a["codes"]],
    }


# ---------------------------------------------------------------- the table


def _print(title: str, figures: dict[str, Any]) -> None:
    print(f"\n{title}")
    for name, f in figures.items():
        if f["value"] is None:
            print(f"  {name:58s} {'-':>7s}   ({f['items']} items)")
        else:
            print(f"  {name:58s} {f['value']:7.3f}   [{f['low']:.3f}, {f['high']:.3f}]  ({f['items']} items)")


def _print_mutants(found: dict[str, Any]) -> None:
    print(f"\nmutants of {found['items']} truths: noticed by")
    heads = ("made", "optimum", "equivalence", "validator", "blocked", "either")
    print(f"  {'':12s} " + " ".join(f"{h:>11s}" for h in heads))
    for kind, seen in [*found["kinds"].items(), ("all", found["all"])]:
        names = ("made", "by_optimum", "by_equivalence", "by_validator", "blocked", "by_either")
        print(f"  {kind:12s} " + " ".join(f"{seen.get(n, 0):11d}" for n in names))
    print(f"  false alarms on {found['truths']} truths: {len(found['false_alarms'])}")


def _made(name: str) -> Formulator:
    if name == "offline":
        name = "gramwise.optimize.words.offline:OfflineFormulator"
    module, _, attribute = name.partition(":")
    made: Formulator = getattr(importlib.import_module(module), attribute)()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--half", choices=["dev", "used", "test", "all"], default="test")
    parser.add_argument("--formulator", default="offline", help="offline, or package.module:Class")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--mutants", action="store_true", help="also the faults put into the truths")
    parser.add_argument("--details", action="store_true", help="item by item also for the test half")
    given = parser.parse_args(arguments)
    halves = [*HALVES] if given.half == "all" else [given.half]
    formulator = _made(given.formulator)
    out: dict[str, Any] = {
        "schema": "gramwise.words-evaluation/1",
        "formulator": {"name": formulator.name, "version": formulator.version},
        "python": platform.python_version(),
        "halves": {},
    }
    for half in halves:
        items = load(half)
        scores = formulated(items, formulator)
        figures, found = measures(scores), retrieved(items)
        _print(f"{half} half, {formulator.name} {formulator.version}", figures)
        _print(f"{half} half, retrieval of the family", found)
        out["halves"][half] = {"formulation": figures, "retrieval": found}
        if half != "test" or given.details:
            out["halves"][half]["items"] = [asdict(s) for s in scores]
    if given.mutants:
        out["mutants"] = mutants()
        _print_mutants(out["mutants"])
    if given.json:
        text = json.dumps(out, indent=1, default=str)
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(text + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
