"""Who a text speaks of: numbered things, proper names, listed things, places and machines; and how many of each.

A *member* is one label with all its mentions; members of one kind form a group. Nothing is taken for a member only
because it is capitalised once where a sentence begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise

from .numbers import low
from .quantities import _STOP, Quantity
from .tokens import Token
from .tokens import tokens as lex
from .unitwords import singular, unit_at
from .vocabulary import words

KINDS: dict[str, frozenset[str]] = {
    kind: frozenset(words.split())
    for kind, words in {
        "site": """cloud edge home gateway hub fog core region datacentre datacenter cluster rack campus office attic
            cellar basement garage shed barn mill kitchen school library hospital clinic factory warehouse shop plant
            cottage farm studio house flat garden city town village country grid neighbour neighbor colo colocation
            premises on-prem on-premises onprem basestation station depot harbour lab workshop greenhouse bakery
            church townhall mountain island coast north south east west upstairs downstairs""",
        "device": """laptop phone tablet pc desktop workstation computer raspberry jetson box board machine nas router
            smartphone watch camera drone satellite robot server microcontroller mcu gpu cpu npu tpu fpga accelerator
            chip node mini-pc minipc chromebook macbook console tv fridge van car tractor""",
        "variant": """large medium small tiny nano micro mini base huge xl big full lite light heavy fast slow precise
            rough standard premium basic draft int8 int4 fp32 fp16 bf16 float32 float16 teacher student quantised
            quantized distilled pruned original""",
    }.items()
}
GENERIC = words("members.generic")
_QUANTITIES = words("members.quantities")
_HOURS = words("members.hours")
_NOT_NAMES = words("members.not_names")
IN_PLACE = words("members.in_place")
"""A label with such a word is no name whose last word stands for it: "all on device"."""
_SPENDS = words("members.spends")
_PRODUCTS = words("members.products")
_UNITS = words("members.units")


@dataclass(slots=True)
class Member:
    """One label: its noun, all its mentions as token spans (``first``, ``stop``), and the group it belongs to.

    ``place`` are characters in a table, and ``axis`` the table's rows or columns that it stands in.
    """

    label: str
    noun: str
    mentions: list[tuple[int, int]] = field(default_factory=list)
    group: int = -1
    place: tuple[int, int] | None = None
    axis: int = -1


def named(tokens: list[Token], found: list[Quantity], seeds: list[Member]) -> dict[str, Member]:
    """Members known from tables, numbered things and proper names, by their label in lower case."""
    taken = {at for q in found for at in range(q.first, q.last + 1) if q.unit}
    book: dict[str, Member] = {}
    for seed in seeds:
        book.setdefault(seed.label.lower(), seed)
    again(tokens, book, taken)
    _numbered(tokens, book, taken)
    _stems(tokens, book, taken)
    _proper(tokens, book, taken | _counted(tokens, found))
    return book


def _counted(tokens: list[Token], found: list[Quantity]) -> set[int]:
    """Places of nouns right behind the number that counts them: "300 GPU-hours" names nobody."""
    return {
        q.last + 1 for q in found if q.noun and not q.unit and singular(low(tokens, q.last + 1)) == q.noun
    }


def again(tokens: list[Token], book: dict[str, Member], taken: set[int]) -> None:
    """Further mentions of every label, word by word."""
    covered = {k for m in book.values() for a, b in m.mentions for k in range(a, b)} | taken
    by_first: dict[str, list[tuple[list[str], Member]]] = {}
    for key, member in book.items():
        parts = [t.low for t in lex(key)]
        if parts and len(key) > 2:
            by_first.setdefault(parts[0], []).append((parts, member))
    for at, token in enumerate(tokens):
        if at in covered:
            continue
        if token.low in KINDS["site"] and singular(low(tokens, at + 1)) in GENERIC:
            continue  # "edge models" are no mention of "the edge"
        for parts, member in by_first.get(token.low.removesuffix("'s"), ()):
            if [t.low for t in tokens[at + 1 : at + len(parts)]] == parts[1:]:
                member.mentions.append((at, at + len(parts)))


def add(book: dict[str, Member], label: str, noun: str, first: int, stop: int) -> None:
    key = label.lower()
    member = book.setdefault(key, Member(label, noun))
    if all(not (a <= first < b) for a, b in member.mentions):
        member.mentions.append((first, stop))


_VALUED = frozenset(
    [
        "size",
        "value",
        "number",
        "rate",
        "frequency",
        "speed",
        "power",
        "accuracy",
        "score",
        "quality",
        "rating",
        "grade",
        "mark",
        "error",
        "map",
        "f1",
        "max",
        "maximum",
        "min",
        "minimum",
        "limit",
        "cap",
        "quota",
        "most",
        "least",
        "total",
        "pue",
        "budget",
        "capacity",
        "only",
        "about",
        "roughly",
        "around",
        "exactly",
        "nearly",
    ]
)


def _identifier(token: Token, noun: str = "", lettered: frozenset[str] = frozenset()) -> bool:
    """What may number a thing: A, b, 3, IV, A1; "a" where another of its noun is called "b"."""
    if token.text == "a":
        return noun in lettered
    if token.kind == "num":
        return token.text.isdigit() and len(token.text) <= 2
    return token.kind == "word" and bool(
        re.fullmatch(
            r"[A-Z]|[A-Za-z]\d{1,2}|[b-hj-z]|I{1,3}|IV|VI{0,3}|One|Two|Three|Four|Five|Six",
            token.text.removesuffix("'s"),
        )
    )


def _numbered(tokens: list[Token], book: dict[str, Member], taken: set[int]) -> None:
    """ "site A", "jobs 1, 2 and 3", "servers A to C"."""
    seen: dict[str, list[tuple[str, int, int]]] = {}
    lettered = frozenset(singular(t.low) for t, after in pairwise(tokens) if after.text == "b")
    for at, token in enumerate(tokens[:-1]):
        noun = singular(token.low)
        if token.kind != "word" or at in taken or noun in _STOP or noun in _HOURS or len(noun) < 2:
            continue
        if token.low.endswith("ed") and noun not in GENERIC:
            continue  # "called 35 times"
        if noun in _VALUED:
            continue  # "batch sizes 2, 4 and 8" are values
        if unit_at(tokens, at) is not None and noun not in GENERIC:
            continue
        here, marks = at + 1, []
        if low(tokens, here) in ("#", "no", "nr") and here + 1 < len(tokens):
            here += 1
        plural = noun != token.low
        while here < len(tokens) and _identifier(tokens[here], noun, lettered) and here not in taken:
            if tokens[here].kind == "num" and _counts_next(tokens, here, plural):
                break
            marks.append((tokens[here].text.removesuffix("'s"), here))
            if not plural and not re.fullmatch(r"[A-Za-z]\d{1,2}", tokens[here].text):
                break  # "cut point p1, p2 or p3" goes on
            step = here + 1
            while low(tokens, step) in (",", "and", "or", "&") and step - here < 3:
                step += 1
            if low(tokens, step) in ("to", "-") and step + 1 < len(tokens) and _identifier(tokens[step + 1]):
                marks.extend(_between(tokens[here].text, tokens[step + 1].text, step + 1))
                here = step + 2
                continue
            if step == here + 1:
                break
            here = step
        if plural and len(marks) == 1 and tokens[marks[0][1]].kind == "num":
            continue  # "small servers 15" numbers no server
        for mark, place in marks:
            seen.setdefault(noun, []).append(
                (mark, at if not plural or len(marks) == 1 else place, place + 1)
            )
    for noun, marks2 in seen.items():
        if noun not in GENERIC and len({m for m, _, _ in marks2}) < 2:
            continue
        if (
            noun in ("phase", "version", "figure", "step", "level", "tier")
            and len({m for m, _, _ in marks2}) < 2
        ):
            continue
        for mark, first, stop in marks2:
            seed = book.get(mark.lower())
            if seed is not None and seed.noun in ("", noun):
                seed.mentions.append((first, stop))  # "job B" of a table that lists A, B and C
                continue
            label = mark if re.fullmatch(r"[A-Za-z]\d+", mark) else f"{noun} {mark}"
            add(book, label, noun, first, stop)


def _counts_next(tokens: list[Token], at: int, plural: bool) -> bool:
    """Whether "server 3 jobs" counts jobs."""
    follows = low(tokens, at + 1)
    return plural and follows.isalpha() and follows not in _STOP and singular(follows) != follows


def _between(first: str, last: str, place: int) -> list[tuple[str, int]]:
    if first.isdigit() and last.isdigit() and 0 < int(last) - int(first) < 100:
        return [(str(k), place) for k in range(int(first) + 1, int(last) + 1)]
    if len(first) == len(last) == 1 and first < last:
        return [(chr(k), place) for k in range(ord(first) + 1, ord(last) + 1)]
    return [(last, place)]


_STEM_NOUNS = {
    "bs": "base station",
    "j": "job",
    "job": "job",
    "t": "task",
    "cam": "camera",
    "dc": "datacentre",
    "srv": "server",
    "gw": "gateway",
    "edge": "site",
    "cloud": "site",
    "gpu": "gpu",
    "dev": "device",
    "n": "node",
    "s": "site",
    "r": "region",
    "c": "client",
    "m": "model",
    "u": "user",
}


def _stems(tokens: list[Token], book: dict[str, Member], taken: set[int]) -> None:
    """ "bs1, bs2", "cam-3", "J1", and single capitals "A", "B" where two or more differ."""
    by_stem: dict[str, list[tuple[str, int]]] = {}
    capitals: dict[str, list[int]] = {}
    for at, token in enumerate(tokens):
        if token.kind != "word" or at in taken:
            continue
        match = re.fullmatch(r"([A-Za-z]{1,12}?)[-_]?(\d{1,3})", token.text)
        if match and token.low not in ("co2", "int8", "int4", "fp16", "fp32", "bf16", "h264", "mp3", "mp4"):
            by_stem.setdefault(match[1].lower(), []).append((token.text, at))
        elif len(token.text) == 1 and token.text.isupper() and token.text != "I":
            if any(a <= at < b for m in book.values() for a, b in m.mentions):
                continue
            if token.text in ("W", "J", "N", "K", "C") and (tokens[at - 1].kind == "num" if at else False):
                continue
            if (
                token.text == "A"
                and low(tokens, at + 1).isalpha()
                and low(tokens, at + 1) not in _STOP | {"emits"}
            ):
                continue
            capitals.setdefault(token.text, []).append(at)
    for stem, mentions in by_stem.items():
        if len({text.lower() for text, _ in mentions}) > 1 and stem not in (
            "v",
            "fig",
            "eq",
            "co",
            "scope",
            "http",
        ):
            noun = _STEM_NOUNS.get(stem, stem if stem in GENERIC else "")
            for text, at in mentions:
                add(book, text, noun, at, at + 1)
    for letter, places in capitals.items():
        owner = [m for m in book.values() if m.label.split()[-1] == letter and " " in m.label]
        for at in places:
            if len(owner) == 1:
                owner[0].mentions.append((at, at + 1))
            elif not owner and len(capitals) > 1:
                add(book, letter, "", at, at + 1)


def _capital(token: Token) -> bool:
    return (
        token.kind == "word"
        and token.text[0].isupper()
        and token.low not in _NOT_NAMES
        and token.text not in _UNITS
        and len(token.text) > 1
        and token.low.removesuffix("'s") not in _NOT_NAMES
        and not (token.text.isupper() and token.low in KINDS["device"])
        and singular(token.low.removesuffix("'s")) not in _QUANTITIES
        and not (singular(token.low) in GENERIC | _HOURS and token.low != singular(token.low))
    )


def _proper(tokens: list[Token], book: dict[str, Member], taken: set[int]) -> None:
    """Names in capitals: "Frankfurt", "Jetson Orin", "Raspberry Pi 4"; at a start only if told elsewhere."""
    inside: list[tuple[int, int]] = []
    starts: list[tuple[int, int]] = []
    at = 0
    covered = {k for m in book.values() for a, b in m.mentions for k in range(a, b)}
    while at < len(tokens):
        if not _capital(tokens[at]) or at in taken or at in covered:
            at += 1
            continue
        stop = at + 1
        while (
            stop < len(tokens)
            and stop not in taken
            and stop not in covered
            and (_capital(tokens[stop]) or _model_number(tokens, stop))
        ):
            stop += 1
        (starts if _begins(tokens, at) else inside).append((at, stop))
        at = stop
    names = {_name(tokens, a, b).lower() for a, b in inside}
    firsts = {name.split()[0] for name in names}
    for a, b in sorted(inside + starts):
        name = _name(tokens, a, b)
        if (a, b) in starts and name.lower() not in names:
            if b - a > 1 and tokens[a].low not in firsts and _name(tokens, a + 1, b).lower() in names:
                a, name = a + 1, _name(tokens, a + 1, b)
            elif not _looks_named(tokens, a, b):
                continue
        add(book, name, "", a, b)


def _model_number(tokens: list[Token], at: int) -> bool:
    """ "Pi 4", "iPhone 14 Pro", "Nano 2": a number that ends a name and counts nothing."""
    token = tokens[at]
    if token.kind != "num" or not token.text.isdigit() or len(token.text) > 4:
        return False
    name = tokens[at - 1].text
    if any(t.text == name and low(tokens, k + 1) != token.low for k, t in enumerate(tokens)):
        return False  # "the French 45", where French is a name without it: so many
    if not _capital(tokens[at - 1]) or unit_at(tokens, at + 1) is not None:
        return False
    if tokens[at - 1].low not in _PRODUCTS and low(tokens, at - 2) not in ("a", "an", "one", "two", "the"):
        return False
    follows = low(tokens, at + 1)
    return not (follows.isalpha() and follows not in _STOP and singular(follows) != follows)


def _begins(tokens: list[Token], at: int) -> bool:
    if at == 0:
        return True
    before = tokens[at - 1]
    return before.kind == "newline" or before.text in '.!?:*-"#|(' or (before.text == ")" and at < 4)


def _looks_named(tokens: list[Token], first: int, stop: int) -> bool:
    """A capitalised word at a start is a name if a colon, bracket, list or telling verb follows."""
    follows = low(tokens, stop)
    telling = (
        "emits",
        "uses",
        "takes",
        "draws",
        "runs",
        "needs",
        "has",
        "costs",
        "consumes",
        "is",
        "gets",
        "burns",
        "sits",
    )
    if follows in telling or low(tokens, stop - 1).endswith("'s"):
        return tokens[first].low == singular(tokens[first].low) or stop - first > 1
    if follows in (":", "(", "=", "->", "|") or (follows == "-" and not tokens[stop].glued):
        ahead = [t.kind for t in tokens[stop + 1 : stop + 4]]
        return stop - first <= 3 and ("num" in ahead[:2] or (follows == "(" and "num" in ahead))
    if stop - first > 1:
        return tokens[stop - 1].kind == "word"
    if (
        follows in ("at", "with", "would", "can")
        and stop + 1 < len(tokens)
        and (tokens[stop + 1].kind == "num" or follows in ("would", "can"))
    ):
        return True
    if stop < len(tokens) and tokens[stop].kind == "num":
        return True
    return follows in (",", "and") and stop + 1 < len(tokens) and _capital(tokens[stop + 1])


def _name(tokens: list[Token], first: int, stop: int) -> str:
    text = " ".join(token.text for token in tokens[first:stop])
    return text.removesuffix("'s")


def strangers(tokens: list[Token], found: list[Quantity]) -> None:
    """ "Draws 12 blorps": what is used up and is no known thing, nor spoken of elsewhere, is no unit that exists."""
    said: dict[str, int] = {}
    for token in tokens:
        said[singular(token.low)] = said.get(singular(token.low), 0) + 1
    for quantity in found:
        if quantity.unit or not quantity.noun or quantity.clock or quantity.noun in GENERIC | _HOURS:
            continue
        word = low(tokens, quantity.last + 1)
        verb = low(tokens, quantity.first - 1) in _SPENDS or quantity.value != int(quantity.value)
        if verb and singular(word) == quantity.noun != word and said.get(quantity.noun, 0) < 2:
            quantity.unit, quantity.noun, quantity.last = "?" + word, "", quantity.last + 1
            quantity.end = tokens[quantity.last].end


def short_names(tokens: list[Token], kept: list[Member], taken: set[int]) -> None:
    """Later mentions by the last word alone ("the Orin", "the tablet") where only one member ends with it."""
    covered = {k for m in kept for a, b in m.mentions for k in range(a, b)}
    last: dict[str, list[Member]] = {}
    for member in kept:
        if len(member.label.split()) > 3 or IN_PLACE & set(member.label.lower().split()):
            continue
        ends = member.label.lower().split()
        for word in {ends[-1], ends[0]} if not ends[0].endswith("ing") else ():
            if len(word) > 2 and not word.isdigit() and word != member.label.lower() and word not in _STOP:
                last.setdefault(word.removesuffix("'s"), []).append(member)
    for at, token in enumerate(tokens):
        owners = last.get(token.low.removesuffix("'s"), []) if token.kind == "word" else []
        if (
            len(owners) == 1
            and at not in covered
            and at not in taken
            and at > (owners[0].mentions or [(-1, 0)])[0][0]
        ):
            if token.low in GENERIC and low(tokens, at - 1) not in ("the", "this", "that"):
                continue
            owners[0].mentions.append((at, at + 1))
            owners[0].mentions.sort()
