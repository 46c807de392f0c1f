"""Words around a number that make it a limit, a figure for each one, or something denied."""

from __future__ import annotations

from itertools import pairwise

from gramwise.optimize.words.statement import Relation

from .numbers import low
from .quantities import Quantity
from .tokens import Token
from .unitwords import singular
from .vocabulary import phrases, words

_ABOUT = words("limits.about")
_THROUGH = words("limits.through")
_STEPS = words("limits.steps")
_SKIPPED = words("limits.skipped")
_UNTIL = words("limits.until")
_AT_ONCE = (
    ("at", "a", "time"),
    ("at", "once"),
    ("at", "the", "same", "time"),
    ("simultaneously",),
    ("in", "parallel"),
)
_EACH = frozenset(["each", "every", "apiece"])
_NOBODY = frozenset(["no", "none", "nothing", "nobody", "neither"])
_NOT = words("limits.not")
_READY = frozenset(("ready", "done", "finished", "complete", "completed", "through", "over", "out", "served"))
"""Before "in" and behind a duty they make a deadline: "has to be ready in two hours"."""
_ABLE = words("limits.able")
_REFUSING = (
    "refus",
    "reject",
    "exclud",
    "forbid",
    "avoid",
    "bann",
    "declin",
    "disqualif",
    "prohibit",
    "veto",
    "rule",
)
"""Beginnings of words that deny what lies beyond a limit, as "not" does: "we reject any site above 80 ms"."""
_ENDS = frozenset((",", ".", ";", ":", "and", "or", "at"))


_DOWNWARDS = frozenset(
    ("less", "fewer", "lower", "smaller", "shorter", "earlier", "sooner", "worse", "weaker", "poorer")
)
_TAKING = frozenset(("take", "accept", "host", "accommodate", "absorb", "fit"))
_TIMES = frozenset(("s", "ms", "us", "min", "h", "day", "week", "month", "year"))
_BEFORE: dict[Relation, tuple[tuple[str, ...], ...]] = {
    "at_most": phrases("phrase.most_before"),
    "at_least": phrases("phrase.least_before"),
}
_AFTER: dict[Relation, tuple[tuple[str, ...], ...]] = {
    "at_most": phrases("phrase.most_after"),
    "at_least": phrases("phrase.least_after"),
}


def mark(tokens: list[Token], found: list[Quantity], starts: list[int]) -> None:
    """Sets relation, each and negated of every quantity; ``starts[k]`` is where quantity k's clause begins."""
    for k, quantity in enumerate(found):
        left = max(starts[k], found[k - 1].last + 1 if k else 0, quantity.first - 14)
        stop = found[k + 1].first if k + 1 < len(found) else len(tokens)
        quantity.relation, used = _relation(tokens, quantity, left, stop)
        begin = starts[k]
        if k and _EACH & {t.low for t in tokens[found[k - 1].first : found[k - 1].last + 1]}:
            begin = max(
                begin, found[k - 1].last + 1
            )  # "20 in each hour and 150 over the day": said of the 20
        quantity.each = quantity.each or _each(tokens, quantity, begin, stop)
        quantity.negated = _negated(tokens, quantity, left, used)
    for left_q, right_q in pairwise(found):
        if left_q.range == "low" and right_q.range == "high":
            left_q.relation = right_q.relation = "between"
        elif right_q.listed >= 0 and right_q.listed == left_q.listed and right_q.relation == "is":
            right_q.relation = left_q.relation
        if right_q.tolerance:
            right_q.relation = "about"
        if left_q.listed >= 0 and left_q.listed == right_q.listed and right_q.each:
            _each_back(found, left_q.listed)


def _each_back(found: list[Quantity], listed: int) -> None:
    for quantity in found:
        if quantity.listed == listed:
            quantity.each = True


def _relation(
    tokens: list[Token], quantity: Quantity, left: int, stop: int
) -> tuple[Relation, tuple[int, int]]:
    behind = quantity.last + 1
    while quantity.noun and behind < min(stop, quantity.last + 4) and low(tokens, behind) not in _ENDS:
        behind += 1
        if singular(low(tokens, behind - 1)) == quantity.noun:
            break
    else:
        behind = quantity.last + 1
    inside = tuple(t.low for t in tokens[quantity.first : quantity.last + 1])
    for name, pair in (
        ("at_least", ("or", "more")),
        ("at_most", ("or", "fewer")),
        ("at_most", ("or", "less")),
    ):
        if pair in pairwise(inside):
            return name, (quantity.first, quantity.first)  # type: ignore[return-value]
    after = tuple(low(tokens, behind + k) for k in range(4) if behind + k < stop)
    if _ruled_out(tokens, quantity, left, stop):
        return "at_most", (quantity.first, quantity.first)
    for name, endings in _AFTER.items():
        if any(after[: len(phrase)] == phrase for phrase in endings):
            return name, (quantity.first, quantity.first)
    if after[:2] == ("from", "now") and quantity.unit in ("s", "ms", "min", "h", "day"):
        return "at_most", (quantity.first, quantity.first)
    if quantity.noun and not quantity.unit and _at_once(tokens, quantity, stop):
        return "at_most", (quantity.first, quantity.first)
    words = [t.low for t in tokens[left : quantity.first]]
    if words and words[-1] in ("€", "$", "£", "("):
        words = words[:-1]
    if words and words[-1] in _ABOUT:
        words = words[:-1]
        about = True
    else:
        about = False
    clock = _clock(words, quantity)
    if clock:
        return clock, (left + len(words) - 1, quantity.first)
    if (compared := _compared(words, quantity)) is not None:
        return compared, (left + len(words) - 3, quantity.first)
    for end in range(len(words), max(len(words) - 7, 0), -1):
        hit = _hit(words, end, quantity)
        if hit is not None:
            return hit[0], (left + hit[1], quantity.first)
        if words[end - 1] not in _THROUGH and len(words) - end >= 3:
            break
    if _only(words, after, quantity) or _deadline(words, quantity) or _able(words, quantity):
        return "at_most", (quantity.first, quantity.first)
    return ("about" if about else "is"), (quantity.first, quantity.first)


def _compared(words: list[str], quantity: Quantity) -> Relation | None:
    """ "No faster than 2 kW", "not lower than": whatever the comparative, what lies beyond it is denied."""
    if len(words) < 3 or words[-1] != "than" or not (words[-3] in _NOT | {"no"} or words[-3].endswith("n't")):
        return None
    if words[-2] == "slower":
        return "at_most" if quantity.unit in _TIMES else "at_least"
    if words[-2] in _DOWNWARDS:
        return "at_least"
    return "at_most" if words[-2].endswith("er") or words[-2] == "more" else None


def _only(words: list[str], after: tuple[str, ...], quantity: Quantity) -> bool:
    """ "It can do only three scans", "for four boxes only": a count of things that somebody can take at most; "only
    for two hours in total".
    """
    if quantity.unit in _TIMES and "only" in words[-8:]:
        return after[:2] == ("in", "total") or after[:1] in (("altogether",), ("overall",))
    if quantity.unit or not quantity.noun:
        return False
    said = words[-1:] == ["only"] or after[:1] == ("only",)
    return said and bool(_ABLE & set(words[-8:]))


def _ruled_out(tokens: list[Token], quantity: Quantity, left: int, stop: int) -> bool:
    """ "More than 900 samples an hour are impossible": what lies above is denied."""
    ahead = [t.low for t in tokens[max(left, quantity.first - 3) : quantity.first]]
    beyond = (
        ahead[-1:] == ["than"] and ahead[-2:-1] and ahead[-2].endswith("er") and ahead[-2] not in _DOWNWARDS
    )
    if (not beyond and not {"more", "over", "above", "beyond"} & set(ahead)) or {"least", "most"} & set(
        ahead
    ):
        return False  # "when the hours are over at least 1 kWh must be left"
    behind = [low(tokens, at) for at in range(quantity.last + 1, min(stop, quantity.last + 9))]
    behind = behind[: next((k for k, word in enumerate(behind) if word in (".", ";")), len(behind))]
    told = [("impossible",), ("not", "possible"), ("not", "allowed"), ("forbidden",), ("not", "feasible")]
    told += [("out", "of", "the"), ("unacceptable",), ("not", "acceptable"), ("is", "out"), ("are", "out")]
    told += [("too", "slow"), ("useless",), ("rejected",)]
    told += [("left", "out"), ("dropped",), ("disqualified",), ("ineligible",), ("skipped",), ("cannot",)]
    told += [("miss",), ("misses",)]
    told += [("excluded",), ("refused",), ("banned",), ("ruled", "out"), ("prohibited",)]
    return any(tuple(behind[k : k + len(t)]) == t for t in told for k in range(len(behind)))


def _at_once(tokens: list[Token], quantity: Quantity, stop: int) -> bool:
    """ "One job at a time", "two copies at once"."""
    behind = [low(tokens, at) for at in range(quantity.last + 1, min(stop, quantity.last + 9))]
    return any(tuple(behind[k : k + len(p)]) == p for p in _AT_ONCE for k in range(min(4, len(behind))))


def _hit(words: list[str], end: int, quantity: Quantity) -> tuple[Relation, int] | None:
    """A limit phrase that ends at a place; the longest wins, so that "no less than" is not "less than"."""
    best: tuple[int, Relation] | None = None
    for name, openings in _BEFORE.items():
        for phrase in openings:
            size = len(phrase)
            if size <= end and tuple(words[end - size : end]) == phrase and (best is None or size > best[0]):
                if phrase == ("over",) and quantity.unit in ("h", "day", "week", "month", "year", "min", "s"):
                    continue
                if phrase == ("over",) and _spreading(words[:end], words[end:]):
                    continue
                if (
                    phrase in (("above",), ("inside",), ("limit",), ("budget",))
                    and end != len(words)
                    and words[end] == ","
                ):
                    continue
                best = (size, name)
    if best is None:
        return None
    size, name = best
    lead = words[max(0, end - size - 6) : end - size]
    phrase_text = " ".join(words[end - size : end])
    longer = words[max(0, end - size - 9) : end - size]
    refused = any(w.startswith(_REFUSING) and w not in ("rule", "rules") for w in longer)
    if (
        (refused or any(word in _NOT | _NOBODY or word.endswith("n't") for word in lead))
        and size <= 2
        and "not" not in phrase_text
    ):
        if phrase_text in ("below", "under", "less than", "fewer than", "lower than"):
            return "at_least", end - size
        if phrase_text in (
            "above",
            "over",
            "more than",
            "exceed",
            "higher than",
            "greater than",
            "longer than",
            "beyond",
        ):
            return "at_most", end - size
        if phrase_text in ("exceeds",):
            return "at_most", end - size
    return name, end - size


def _spreading(before: list[str], behind: list[str]) -> bool:
    """Whether "over" is where something goes: "divide it over the three sites", "spread over 3 regions"."""
    told = any(
        w.startswith(("split", "spread", "divid", "shar", "distribut", "plac", "alloc")) for w in before
    )
    return told or bool({"the", "our", "these", "all", "those"} & set(behind[:1]))


def _clock(words: list[str], quantity: Quantity) -> Relation | None:
    """ "by 6 am", "before 14:00", "from 22:00", "not before 9"."""
    if not quantity.clock and not (quantity.noun in _STEPS and not quantity.unit):
        return None
    last = [word for word in words[-6:] if word not in _SKIPPED]
    if not last:
        return None
    if last[-2:] == ["end", "of"] and (set(words[-8:]) & _UNTIL):
        return "at_most"
    if last[-2:] == ["start", "of"] and set(words[-9:]) & {
        "released",
        "release",
        "available",
        "earliest",
        "before",
        "arrives",
    }:
        return "at_least"
    if last[-1] == "before" and any(w in _NOT or w.endswith("n't") for w in words[-6:]):
        return "at_least"
    if last[-1] in ("by", "before", "until", "till", "to", "than") or last[-2:] == ["later", "than"]:
        if "not" in last and last[-1] == "before":
            return "at_least"
        return "at_least" if last[-2:] == ["earlier", "than"] else "at_most"
    if last[-1] in ("from", "after", "since", "starting", "onwards", "past"):
        return "at_least"
    return None


def _able(words: list[str], quantity: Quantity) -> bool:
    """ "Lyon can take two jobs", "has room for three": what somebody can take is the most that they take."""
    if quantity.unit in _TIMES or not words:
        return False
    if tuple(words[-2:]) == ("room", "for"):
        return True
    return words[-1] in _TAKING and bool({"can", "could"} & set(words[-3:-1]))


def _deadline(words: list[str], quantity: Quantity) -> bool:
    """ "The deadline for a reply is 2 s", "must answer in 2 s"."""
    if quantity.unit not in ("s", "ms", "min", "h", "us", "day"):
        return False
    if any(word in ("deadline", "deadlines", "due") for word in words[-8:]):
        return True
    if tuple(words[-2:]) in (("back", "after"), ("back", "in")):
        return True  # "he needs his machine back after 3 hours"
    must = any(word in ("must", "should", "needs", "need", "has", "have", "within") for word in words[-9:])
    if must and words[-1:] == ["in"] and words[-2:-1] and words[-2] in _READY:
        return True
    return must and bool(words) and words[-1] in ("in", "inside", "under") and "must" in words[-9:]


def _each(tokens: list[Token], quantity: Quantity, start: int, stop: int) -> bool:
    behind = [low(tokens, quantity.last + k) for k in range(1, 6) if quantity.last + k < stop]
    if behind[:1] and (behind[0] in _EACH or behind[:2] == ["a", "piece"]):
        return True
    for word in behind:
        if word in (",", ".", ";", "and"):
            break
        if word in ("each", "apiece", "every"):
            return True
    before = [t.low for t in tokens[max(start, quantity.first - 40) : quantity.first]]
    for at in range(len(before) - 1, -1, -1):
        if before[at] in (",", ";", "(", ")") and at > 3:
            before = before[at:]
            break
    return any(word in ("each", "every", "apiece") for word in before[-12:]) or before[:1] == ["one"]


def _negated(tokens: list[Token], quantity: Quantity, left: int, used: tuple[int, int]) -> bool:
    """A denial that is not part of a limit phrase."""
    limit = quantity.relation in ("at_most", "at_least")
    for at in range(quantity.first - 1, max(left, quantity.first - 5) - 1, -1):
        word = tokens[at].low
        if word in (",", ";", "(", ")", ":") or (word in ("without", "except") and quantity.first - at > 2):
            return False
        if (word in _NOT or word.endswith("n't")) and not limit:
            return True
        if word == "other" and low(tokens, at + 1) == "than":
            return True
    return False
