"""A million broken inputs to the language, its units and the validator: refused in time, and nothing ever runs.

Seven generators, seeded: random bytes, token soup, mutated expressions of the grammar, deep nesting, huge numbers, odd
Unicode, and whole documents broken in their structure, their numbers or their bytes. An input may only be accepted,
``Refused`` or a ``ValidationError``; an audit hook counts everything the interpreter would execute, open or import
meanwhile. Times are of the process's own CPU clock, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import copy
import json
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from gramwise.optimize.typed.checks.schema import read_problem
from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.parse import parse_expression, parse_scope
from gramwise.optimize.typed.units import SYMBOLS, parse_unit
from gramwise.optimize.typed.validate import validate
from record import finish, row

WATCHED = (
    "exec",
    "compile",
    "open",
    "import",
    "os.system",
    "os.exec",
    "subprocess.Popen",
    "socket.connect",
    "pickle.find_class",
)
NAMES = [
    "x",
    "e",
    "CI",
    "rate",
    "f",
    "j",
    "s",
    "t",
    "JOB",
    "SITE",
    "remote",
    "__import__",
    "os",
    "eval",
    "lambda",
]
WORDS = [
    *NAMES,
    "sum",
    "in",
    "where",
    "and",
    "forall",
    "min",
    "max",
    "pwl",
    "db_to_linear",
    "log2",
    "exp",
    "sqrt",
]
MARKS = [*"+-*/^()[],<>='\"{}.;:!@#$%&|~`\\ \n\t", "<=", ">=", "==", "!=", "**", "//", "->", ":="]
NUMBERS = [
    "0",
    "1",
    "2",
    "0.5",
    "1e3",
    "1e-3",
    "1e308",
    "1e999",
    "9" * 40,
    "9" * 400,
    "1e-400",
    "-1",
    ".5",
    "5.",
    "0x10",
    "1_000",
]
ATTACKS = [
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "{{7*7}}",
    "open('/etc/hostname').read()",
    "x if True else y",
    "sum(j in JOB) sum(s in SITE) x[j,s]",
    "\u0000",
    "a" * 70_000,
]
TEXT = (
    "Three jobs use 40, 30 and 20 Wh at home, 10, 20 and 30 Wh away; the grids emit 450 and 60 g/kWh. At most 2 jobs a "
    "site, within 2 h; the gain is -3 dB, the steps are 1, 2, 3 and 4, and each rises by a tenth."
)


def _at(piece: str) -> str:
    return f"text:{TEXT.index(piece)}-{TEXT.index(piece) + len(piece)}"


DOCUMENT: dict[str, Any] = {
    "schema": "gramwise.problem/1",
    "meta": {"id": "fuzz", "family": "assignment"},
    "sets": [
        {"name": "JOB", "size": 3},
        {"name": "SITE", "labels": ["home", "away"]},
        {"name": "HOUR", "size": 4, "ordered": True},
    ],
    "params": [
        {
            "name": "e",
            "index": ["JOB", "SITE"],
            "unit": "Wh",
            "values": [[40, 10], [30, 20], [20, 30]],
            "source": _at("40, 30 and 20 Wh at home, 10, 20 and 30 Wh"),
        },
        {
            "name": "CI",
            "index": ["SITE"],
            "unit": "gCO2e/kWh",
            "values": [450, 60],
            "source": _at("450 and 60 g/kWh"),
        },
        {"name": "cap", "unit": "1", "values": 2, "source": _at("2 jobs")},
        {"name": "L", "unit": "h", "values": 2, "source": _at("2 h")},
        {"name": "gain", "unit": "dB", "values": -3, "source": _at("-3 dB")},
        {"name": "xs", "index": ["HOUR"], "values": [1, 2, 3, 4], "source": _at("1, 2, 3 and 4")},
        {"name": "rise", "values": 0.1, "source": _at("a tenth")},
    ],
    "variables": [
        {"name": "x", "index": ["JOB", "SITE"], "domain": "binary", "lower": 0, "upper": 1},
        {"name": "f", "index": ["HOUR"], "domain": "real", "lower": 0, "upper": "L", "unit": "h"},
    ],
    "derived": [
        {"name": "g", "forall": "j in JOB, s in SITE", "unit": "gCO2e", "expr": "e[j,s]*CI[s]"},
        {
            "name": "q",
            "forall": "t in HOUR",
            "unit": "1",
            "expr": "pwl(f[t]/L, xs, xs) + log2(1 + db_to_linear(gain))",
        },
    ],
    "objective": {"expr": "sum(j in JOB, s in SITE) x[j,s]*g[j,s]"},
    "constraints": [
        {
            "name": "once",
            "kind": "logic",
            "forall": "j in JOB",
            "lhs": "sum(s in SITE) x[j,s]",
            "rel": "==",
            "rhs": "1",
        },
        {
            "name": "room",
            "kind": "capacity",
            "forall": "s in SITE",
            "lhs": "sum(j in JOB) x[j,s]",
            "rel": "<=",
            "rhs": "cap",
        },
        {
            "name": "up",
            "kind": "other",
            "forall": "t in HOUR where t > 1",
            "lhs": "f[t] - f[t-1]",
            "rel": ">=",
            "rhs": "rise*L",
        },
        {"name": "least", "kind": "other", "lhs": "sum(t in HOUR) q[t]", "rel": ">=", "rhs": "1"},
    ],
}
LEAVES: list[Any] = [
    None, True, "", 0, -1, 1e308, -1e308, 10**400, 5e-324, "1", [], {}, [[]], [[[[[1]]]]], "x", "JOB", "text:5-2",
    "text:0-9999999", "text:0-120", "kb:", "answer:0", "structure", "\ud800", "gCO2e", "dB", "kWh^9*TWh^9",
    "nJ^9/(TWh^9)", 10_000, 9_999, "binary", "integer", ["JOB"] * 9, ["HOUR", "HOUR", "HOUR"], [1] * 300,
    "sum(j in JOB) e[j,j]", "f[t+1]", "1/0", "ln(0-1)", "CI['home']*x['1','away']*e[1,1]", "x[1,2] + x[3,1]",
    "rise", 3, 40, 450,
    "exp(1e300)", "1e300*1e300*x['1','home']", "sqrt(0-CI['home'])", "e[1,1]^8^8",
]  # fmt: skip


def random_bytes(rng: random.Random) -> str:
    """Anything."""
    return rng.randbytes(rng.randint(0, 200)).decode("latin-1")


def soup(rng: random.Random) -> str:
    """Tokens of the language in no order."""
    pool = (WORDS, MARKS, NUMBERS, NAMES, MARKS)
    return rng.choice(["", " "]).join(rng.choice(rng.choice(pool)) for _ in range(rng.randint(1, 60)))


def grammar(rng: random.Random, depth: int = 0) -> str:
    """A sentence of the grammar."""
    kind = rng.randrange(9) if depth < 7 else rng.randrange(2)
    if kind == 0:
        return rng.choice(NUMBERS[:6]) + rng.choice(["", "", " [s]", " [kWh/h]", "[dB]"])
    if kind == 1:
        return rng.choice(NAMES[:9]) + rng.choice(["", "[j]", "[j,s]", "[t-1]", "['home']", "[1,2]"])
    if kind <= 4:
        return f"{grammar(rng, depth + 1)} {rng.choice('+-*/')} {grammar(rng, depth + 1)}"
    if kind == 5:
        return f"({grammar(rng, depth + 1)})^{rng.choice(['2', '-1', '(1/2)', '0.5', '9'])}"
    if kind == 6:
        where = rng.choice(["", " where j > 1", " where remote[j] and j != s"])
        return f"sum(j in JOB, s in SITE{where}) {grammar(rng, depth + 1)}"
    if kind == 7:
        return f"{rng.choice(['log2', 'exp', 'sqrt', 'abs', 'db_to_linear'])}({grammar(rng, depth + 1)})"
    return f"{rng.choice(['min', 'max', 'pwl'])}({grammar(rng, depth + 1)}, {grammar(rng, depth + 1)})"


def mutated(rng: random.Random) -> str:
    """A sentence of the grammar with a few characters changed."""
    text = list(grammar(rng)[:4000])
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(text) + 1)
        text[at : at + rng.randint(0, 3)] = list(rng.choice(rng.choice((MARKS, WORDS, NUMBERS))))
    return "".join(text)


def nested(rng: random.Random) -> str:
    """Deep, long or both."""
    times = rng.choice([3, 15, 16, 17, 64, 399, 400, 401]) if rng.random() < 0.97 else 3000
    before, after = rng.choice(
        [
            ("(", ")"),
            ("-", ""),
            ("sum(j in JOB) ", ""),
            ("abs(", ")"),
            ("x^", "2"),
            ("x[", "]"),
            ("1+", ""),
            ("x/", ""),
            ("min(1,", ")"),
            ("sum(a in JOB, b in JOB, c in JOB) ", ""),
            ("a in JOB, ", ""),
        ]
    )
    return before * times + rng.choice(["x", "1", ""]) + after * rng.choice([times, times - 1, 0])


def huge(rng: random.Random) -> str:
    """Numbers at the ends."""
    number = rng.choice(
        [
            "9" * rng.randint(1, 6000),
            f"1e{rng.randint(-999, 999)}",
            "0." + "0" * 300 + "1",
            f"{rng.random():.300f}",
        ]
    )
    return rng.choice(["{}", "x*{}", "{}^8", "x[{}]", "x[t+{}]", "{}*{}", "kWh^{}", "{} [TWh^9]"]).format(
        number, number
    )


def unicode(rng: random.Random) -> str:
    """Letters of all the world, marks that look like others, halves of pairs."""
    letters = "²³½١٢٣Ωµμ×÷−–\u200b\u202e\ufeff\u00a0ⅷ①ａｅ１𝟙ñ漢ß\ud800\U0001f600"
    base = list(mutated(rng)[:200]) if rng.random() < 0.5 else list(rng.choice(list(SYMBOLS)))
    for _ in range(rng.randint(1, 6)):
        base.insert(
            rng.randrange(len(base) + 1),
            rng.choice(letters) if rng.random() < 0.8 else chr(rng.randrange(0x10FFFF)),
        )
    return "".join(base)


TEXTS: tuple[Callable[[random.Random], str], ...] = (random_bytes, soup, mutated, nested, huge, unicode)


def broken_document(rng: random.Random) -> str | bytes:
    """A whole problem with one to four things changed."""
    document = copy.deepcopy(DOCUMENT)
    change = _break if rng.random() < 0.5 else _bend
    for _ in range(rng.choice([1, 1, 1, 2, 3, 4])):
        change(document, rng)
    try:
        text = json.dumps(document)
    except (ValueError, RecursionError):
        text = "{}"
    if rng.random() < 0.15:
        cut = rng.randrange(len(text))
        text = (
            text[:cut]
            + rng.choice(["", "\\", '"', "[" * 500, "{" * 500, "9" * 5000, "\x00"])
            + text[cut + rng.randint(0, 5) :]
        )
    return text


def _break(document: dict[str, Any], rng: random.Random) -> None:
    node: Any = document
    while True:
        key = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
        if not isinstance(node[key], (dict, list)) or not node[key] or rng.random() < 0.15:
            break
        node = node[key]
    change = rng.random()
    if change < 0.55:
        node[key] = rng.choice(LEAVES) if rng.random() < 0.6 else rng.choice(TEXTS)(rng)
    elif change < 0.7:
        del node[key]
    elif change < 0.8 and isinstance(node, list):
        node.extend(copy.deepcopy(node[key]) for _ in range(rng.choice([1, 5, 60])))
    elif change < 0.9 and isinstance(node, dict):
        node[rng.choice(WORDS)] = rng.choice(LEAVES)
    elif isinstance(node[key], str):
        node[key] = _edited(node[key], rng)


def _bend(document: dict[str, Any], rng: random.Random) -> None:
    """A change that keeps the form: other numbers, units, sizes, subscripts, functions, relations."""
    kind = rng.choice(
        ["sets", "params", "params", "variables", "derived", "objective", "constraints", "constraints"]
    )
    record = document[kind] if kind == "objective" else rng.choice(document[kind])
    fields = [f for f in record if f not in ("name", "kind", "domain", "text")]
    name = rng.choice(fields)
    if name in ("expr", "lhs", "rhs"):
        piece = rng.choice(
            [
                "x[1,1]",
                "e[j,s]",
                "CI[s]",
                "f[t]",
                "f[t-1]",
                "L",
                "q[1]",
                "g[1,2]",
                "0",
                "1e300",
                "gain",
                "2 [h]",
            ]
        )
        form = rng.choice(
            [
                "{} + {}",
                "{}*{}",
                "{}/({})",
                "max({}, {})",
                "exp({})*{}",
                "sum(k in HOUR where k > 2) f[k]*({}) + {}",
            ]
        )
        record[name] = form.format(record[name], piece)
    elif name == "unit":
        record[name] = rng.choice([*rng.sample(list(SYMBOLS), 2), "W/h", "gCO2e/J", "1", "bit/s"])
    elif name == "size":
        record[name] = rng.choice([1, 2, 4, 100, 10_000])
    elif name == "forall":
        record[name] = rng.choice(
            [
                "",
                "j in JOB",
                "t in HOUR",
                "s in SITE, j in JOB",
                "j in JOB where j != 2",
                "t in HOUR where t > 9",
            ]
        )
    elif name == "rel":
        record[name] = rng.choice(["<=", ">=", "=="])
    elif name == "index":
        record[name] = rng.sample(["JOB", "SITE", "HOUR"], rng.randint(0, 3))
    elif name in ("values", "lower", "upper"):
        record[name] = rng.choice(
            [0, 1, 2, 1e-300, 1e300, -5, 1e12, "L", "cap", "rise"][: 7 if name == "values" else 10]
        )


def _edited(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return (
        text[:at]
        + rng.choice(rng.choice((MARKS, WORDS, NUMBERS, ATTACKS[:6])))
        + text[at + rng.randint(0, 2) :]
    )


def judge_text(text: str) -> str:
    """Put a text to the three parsers; what became of it."""
    accepted = 0
    for parse in (parse_expression, parse_scope, parse_unit):
        try:
            parse(text)
            accepted += 1
        except Refused:
            pass
    return "accepted" if accepted else "refused"


def judge_document(document: str | bytes) -> str:
    """Read, bind and validate a document; what became of it."""
    try:
        problem, findings = read_problem(document)
    except ValidationError:
        return "refused"
    if problem is None:
        return "refused" if findings else "silent"
    report = validate(problem, text=TEXT)
    if report.ok:
        return "accepted"
    return "refused in passes 1 and 2" if report.bound is None else "refused in passes 3 to 7"


def run(inputs: int, documents_frac: float, seed: int) -> dict[str, Any]:
    """Feed them all.

    Returns:
        Counts by outcome, faults (other exceptions, with the input), the slowest CPU time in seconds, and what the
        interpreter was asked to execute, open or import.
    """
    rng = random.Random(seed)
    watched: Counter[str] = Counter()
    watching = False

    def hook(event: str, _: Any) -> None:
        if watching and event in WATCHED:
            watched[event] += 1

    judge_document(json.dumps(DOCUMENT))  # lazy imports happen before the watch
    judge_text("kwhh")
    judge_document(json.dumps({**DOCUMENT, "objective": {"expr": "sum(j in JOB, s in SITE) x[j,s]*gg[j,s]"}}))
    sys.addaudithook(hook)
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    slowest: list[tuple[float, str]] = []
    for number in range(inputs):
        whole = rng.random() < documents_frac
        item = (
            broken_document(rng)
            if whole
            else rng.choice(ATTACKS)
            if number % 500 == 0
            else rng.choice(TEXTS)(rng)
        )
        watching = True
        start = time.process_time()
        try:
            outcome = judge_document(item) if whole else judge_text(str(item))
        except Exception as fault:  # noqa: BLE001 - the very thing that is looked for
            outcome = "fault"
            faults.append(f"{type(fault).__name__}: {fault}: {item[:300]!r}")
        took = time.process_time() - start
        watching = False
        outcomes[("document " if whole else "text ") + outcome] += 1
        if len(slowest) < 5 or took > slowest[-1][0]:
            slowest = sorted([*slowest, (took, repr(item[:200]))], reverse=True)[:5]
    return {
        "outcomes": dict(outcomes),
        "faults": faults[:20],
        "fault_count": len(faults),
        "slowest": slowest,
        "executed": dict(watched),
    }


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--inputs", type=int, default=1_000_000)
    options.add_argument("--documents", type=float, default=0.05, help="share of whole documents")
    options.add_argument("--seed", type=int, default=6)
    given = options.parse_args()
    warnings.simplefilter("error")
    start = time.process_time()
    result = run(given.inputs, given.documents, given.seed)
    worst = result["slowest"][0][0]
    finish(
        "fuzz_language",
        [
            row("inputs", "1 000 000", given.inputs, None),
            row("exceptions but for a refusal", "0", result["fault_count"], result["fault_count"] == 0),
            row(
                "executed, opened or imported", "0", sum(result["executed"].values()), not result["executed"]
            ),
            row("slowest input (CPU s)", "<= 0.1", worst, worst <= 0.1),
        ],
        cpu_s=time.process_time() - start,
        **result,
    )


if __name__ == "__main__":
    main()
