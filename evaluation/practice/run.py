"""Put practice descriptions to the offline formulator: ``run.py [FILES] [--dev] [--only ID]``. Compares the optima.

Practice items and the dev half are for tuning; the figures that count come from ``evaluation/words/run.py``.
"""

from __future__ import annotations

import argparse
import collections
import json
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gramwise.runtime.words import formulator_of, plan_from_words

HERE = Path(__file__).parent
DEV = HERE.parent / "words" / "dev.jsonl"


def items(files: list[Path]) -> Iterator[dict[str, Any]]:
    """Every item of some files, one JSON object a line."""
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield json.loads(line)


def right(item: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether the status is the expected one and, where there is an optimum, the grams agree to 1e-6."""
    wanted = {"formulated": "solved"}.get(item["status"], item["status"])
    if document["status"] != wanted:
        return False
    if wanted != "solved":
        return True
    found = document["solution"]["objective_g"]
    return abs(found - item["optimum_g"]) <= 1e-6 * abs(item["optimum_g"])


def main() -> None:
    """Run and print a line for each item and a sum for each class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--dev", action="store_true", help="the dev half of evaluation/words")
    parser.add_argument(
        "--only", help="only items whose id begins with this; prints the whole document's reading"
    )
    parser.add_argument("--quick", action="store_true", help="print failures only")
    given = parser.parse_args()
    files = [*given.files, *([DEV] if given.dev else [])] or [*sorted(HERE.glob("s*.jsonl")), DEV]
    offline = formulator_of("offline")
    done: dict[str, list[bool]] = collections.defaultdict(list)
    for item in items(files):
        if given.only and not item["id"].startswith(given.only):
            continue
        began = time.perf_counter()
        try:
            document = plan_from_words(item["text"], formulator=offline)
        except Exception:  # noqa: BLE001
            document = {
                "status": f"CRASH {traceback.format_exc(limit=-2)[-300:]}",
                "family": "",
                "solution": None,
            }
        good = right(item, document)
        done[item["class"]].append(good)
        found = document["solution"]["objective_g"] if document["solution"] else None
        if given.only:
            print(item["text"], *document.get("understood", ()), *document.get("findings", ()), sep="\n")
            print(document.get("reason"), *(q["text"] for q in document.get("questions", ())), sep="\n")
        if not (good and given.quick):
            print(
                "OK " if good else "BAD",
                item["id"],
                item["class"],
                item["status"],
                item.get("optimum_g"),
                "|",
                document["status"],
                document["family"],
                found,
                f"{time.perf_counter() - began:.1f}s",
            )
    print({name: f"{sum(rights)}/{len(rights)}" for name, rights in sorted(done.items())})


if __name__ == "__main__":
    main()
