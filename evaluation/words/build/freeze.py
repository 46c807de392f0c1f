"""Builds the files of the set and their hashes: ``python -m evaluation.words.build.freeze [dev|used|test]``.

Each solvable item is solved twice, from the typed problem by SciPy and from the marked numbers by enumeration (or
rational simplex) in plain Python. Nothing is written unless both agree to 1e-9 and the class counts are as planned.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from evaluation.words.build.marks import read
from evaluation.words.build.truth import Item, Truth
from evaluation.words.expand import expand, solve
from gramwise.optimize.typed.bind import bind

HERE = Path(__file__).resolve().parent.parent
FAMILIES = (
    *("assignment", "split", "shift_time", "shift_space", "clock", "variant"),
    *("battery", "replicas", "federated", "cache", "path", "replace"),
)
ABSENT = ("path", "replace")
"""Not in the knowledge base."""


def build(half: str) -> list[dict[str, Any]]:
    """The items of a half as documents.

    Raises:
        ValueError: an item whose two optima differ, or that does not bind.
    """
    documents = []
    for place, family in enumerate(FAMILIES):
        items: tuple[Item, ...] = importlib.import_module(f"evaluation.words.build.{half}.{family}").ITEMS
        for number, item in enumerate(items, 1):
            ident = f"{half}-{place + 1:02d}-{number}"
            if item.family != family:
                raise ValueError(f"{ident} says family {item.family}")
            documents.append(document(ident, item))
    return documents


def document(ident: str, item: Item) -> dict[str, Any]:
    """One item as it stands in the file."""
    marks = read(item.marked)
    out: dict[str, Any] = {
        "schema": "gramwise.words-item/1",
        "id": ident,
        "family": item.family,
        "known": item.family not in ABSENT,
        "class": item.kind,
        "level": item.level,
        "text": marks.text,
        "status": item.status,
        "kept": sorted({s for k in item.keep.split() for s in marks.spans[k]}),
        "truth": None,
        "optimum_g": None,
        "agreed": {},
        "variants": list(item.variants),
        "questions": [{"about": about, "unit": unit} for about, unit in item.questions],
        "conflict": [],
        "why": item.why,
    }
    for passage in item.conflict:
        start = marks.text.find(passage)
        if start < 0:
            raise ValueError(f"{ident}: {passage!r} is not in the text")
        out["conflict"].append([start, start + len(passage)])
    if item.model is None or item.check is None:
        if item.status == "formulated":
            raise ValueError(f"{ident} has no truth")
        return out
    truth = Truth(marks)
    item.model(truth)
    problem = truth.problem(ident, f"family.{item.family}" if out["known"] else "other")
    unused = set(marks.values) - {p.name for p in problem.params}
    bound, findings = bind(problem)
    if bound is None or unused:
        raise ValueError(f"{ident}: {[str(f) for f in findings]} unused {unused}")
    solved = solve(expand(bound))
    if solved is None:
        raise ValueError(f"{ident}: the typed problem is infeasible")
    tried = item.check(marks)
    if abs(solved[0] - tried) > 1e-9 * max(abs(tried), 1e-12):
        raise ValueError(f"{ident}: {solved[0]!r} g from the typed problem, {tried!r} g by enumeration")
    out["truth"] = problem.document()
    out["optimum_g"] = tried
    out["agreed"] = {"scipy-milp": solved[0], "enumeration": tried}
    return out


def write(half: str) -> None:
    """The file of a half and its line in FROZEN."""
    documents = build(half)
    path = HERE / f"{half}.jsonl"
    path.write_text(
        "".join(json.dumps(d, ensure_ascii=False, sort_keys=True) + "\n" for d in documents), "utf-8"
    )
    frozen = HERE / "FROZEN"
    lines = frozen.read_text("utf-8").splitlines() if frozen.exists() else []
    lines = [line for line in lines if not line.endswith(f"  {half}.jsonl")]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    frozen.write_text("".join(f"{line}\n" for line in sorted([*lines, f"{digest}  {half}.jsonl"])), "utf-8")
    print(f"{half}: {len(documents)} items, sha256 {digest}")


if __name__ == "__main__":
    for name in sys.argv[1:] or ["dev", "used", "test"]:
        write(name)
