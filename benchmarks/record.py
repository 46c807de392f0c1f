"""What every benchmark prints: one JSON document and a short table, in one shape.

A row is one line of a "must reach" table: what, the goal in words, the measured figure, and whether it was met.
Figures are ratios taken in one run wherever time is involved, because machines differ and are noisy.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parents[1] / ".cache" / "benchmarks"


def row(what: str, reach: str, value: Any, met: bool | None) -> dict[str, Any]:
    """One line; ``met`` is None for figures that are reported without a goal."""
    return {"what": what, "reach": reach, "value": value, "met": met}


def finish(name: str, rows: list[dict[str, Any]], **details: Any) -> None:
    """Print the JSON to standard output, the table to standard error, and keep the JSON under .cache/benchmarks."""
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    document = {"benchmark": name, "machine": machine, "rows": rows, **details}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document, indent=1))
    for each in rows:
        mark = {True: "met", False: "NOT MET", None: ""}[each["met"]]
        print(f"{each['what']:<64} {each['reach']:<22} {_short(each['value']):<34} {mark}", file=sys.stderr)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (list, tuple)):
        return " / ".join(_short(v) for v in value)
    return str(value)
