"""Units as people write them, to the notation of `typed.units`: "grams of CO2 per kilowatt-hour" is ``gCO2e/kWh``.

A unit that is not known comes out with a question mark before it (``?furlong/s``), so that it can be named to the
person who wrote it. Grams are gCO2e where CO2, carbon or emissions are spoken of or where energy stands below the
stroke, and mass otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.units import SYMBOLS, parse_unit

from .numbers import low
from .tokens import Token
from .vocabulary import mapping, words

_PREFIXES = {
    "nano": "n",
    "micro": "u",
    "milli": "m",
    "centi": "c",
    "kilo": "k",
    "mega": "M",
    "giga": "G",
    "tera": "T",
    "peta": "P",
    "exa": "E",
    "kibi": "Ki",
    "mebi": "Mi",
    "gibi": "Gi",
    "tebi": "Ti",
}
_BASES = mapping("unitwords.bases")
COUNTED = {
    noun: noun
    for noun in [
        "request",
        "job",
        "task",
        "inference",
        "image",
        "frame",
        "token",
        "step",
        "sample",
        "query",
        "user",
        "client",
        "round",
        "epoch",
        "item",
        "replica",
        "server",
        "node",
        "site",
        "slot",
        "batch",
        "device",
        "message",
        "call",
    ]
} | {"picture": "image", "photo": "image", "prompt": "request", "prediction": "inference", "req": "request"}
_ALIAS = mapping("unitwords.alias")
_STOP = words("quantities.stop")
_NEVER = words("unitwords.never") - {
    "t",
    "d",
    "b",
}
_MASS = {
    "g": "gCO2e",
    "kg": "kgCO2e",
    "mg": "mgCO2e",
    "ug": "ugCO2e",
    "µg": "ugCO2e",
    "t": "tCO2e",
    "Mg": "tCO2e",
    "kt": "ktCO2e",
}
_ENERGY = words("unitwords.energy")
_TIMES = words("unitwords.times")
_CARBON = words("unitwords.carbon")
EMITTING = _CARBON | words("unitwords.emitting")
_AREA_WORDS = {"squared": "^2", "cubed": "^3", "²": "^2", "³": "^3"}


@dataclass(frozen=True, slots=True)
class UnitRead:
    """A unit found in tokens.

    Attributes:
        unit: canonical, or with a question mark.
        stop: place of the first token behind it.
        scale: what the number must be multiplied by ("2 g per 1000 requests" -> 0.001; cents -> 0.01).
        per: noun below the stroke, singular, that `typed.units` does not know ("0.8 kWh per invoice"); it is left out
            of ``unit``. Also the counted thing where it is known ("J/image").
        noun: what is counted above the stroke ("40 parcels per hour" -> "parcel").
        mass: grams of who knows what: gCO2e if the sentence speaks of emissions.
    """

    unit: str
    stop: int
    scale: float = 1.0
    per: str = ""
    mass: bool = False
    noun: str = ""


def unit_at(tokens: list[Token], at: int) -> UnitRead | None:
    """The unit that begins at a token, or None. Tries ``a/b``, ``a per b``, ``a b^2``, in symbols or in words."""
    shift = 1 if low(tokens, at) == "-" and at < len(tokens) and tokens[at].glued else 0
    shift = shift or (1 if low(tokens, at) == "of" and low(tokens, at + 1) == "a" else 0)
    if shift == 1 and low(tokens, at) == "of":
        return None
    at += shift
    scale = 1.0
    if low(tokens, at) in ("cent", "cents", "eurocents", "eurocent"):
        top, stop, scale = "EUR", at + 1, 0.01
    else:
        found = atom(tokens, at)
        if found is None:
            return _counted_rate(tokens, at)
        top, stop = found
    if top.startswith("?"):
        return UnitRead(top, stop)
    top, stop = _product(tokens, top, stop)
    carbon, stop = _carbon(tokens, top, stop)
    below, stop, scale, per, strange = _below(tokens, stop, scale)
    if not carbon and top in _MASS:
        carbon, stop = _carbon(tokens, top, stop)
    mass = top in _MASS and not carbon
    if mass and any(part in _ENERGY for part in below):
        carbon, mass = True, False
    if carbon and top in _MASS:
        top = _MASS[top]
    unit = _flops(tokens, at, top, below) + "".join("/" + part for part in below)
    if strange:
        unit = "?" + unit
    return _checked(UnitRead(unit, stop, scale, per, mass))


def _checked(read: UnitRead) -> UnitRead:
    if not read.unit.startswith("?"):
        try:
            parse_unit(read.unit)
        except Refused:
            return UnitRead("?" + read.unit, read.stop, read.scale, read.per)
    return read


def as_carbon(unit: str) -> str:
    """Grams as gCO2e: ``kg/day`` becomes ``kgCO2e/day``."""
    top, stroke, below = unit.partition("/")
    return _MASS.get(top, top) + stroke + below


def _flops(tokens: list[Token], at: int, top: str, below: list[str]) -> str:
    """GFLOPs is a count and GFLOPS a rate; people mix them, so "per inference" and "needs" decide for a count."""
    if not top.upper().endswith("FLOPS") or not top.endswith("S"):
        return top
    text = tokens[at].text
    before = {low(tokens, at - step) for step in range(2, 9)}
    needs = before & {
        "needs",
        "need",
        "takes",
        "take",
        "requires",
        "require",
        "costs",
        "cost",
        "involves",
        "workload",
        "work",
        "forward",
    }
    if text.endswith("s") or below or needs:
        if below and below[0] not in COUNTED.values() and below[0] not in ("s", "ms"):
            return top  # GFLOPS/W is a rate per power
        gives = before & {
            "delivers",
            "runs",
            "sustains",
            "does",
            "peak",
            "speed",
            "reaches",
            "throughput",
            "capable",
            "performs",
        }
        if text.islower() and not below and not needs and gives:
            return top
        return top[:-1]
    return top


def atom(tokens: list[Token], at: int) -> tuple[str, int] | None:
    """One symbol with its power, canonical, and the place behind it."""
    if at >= len(tokens):
        return None
    token = tokens[at]
    if token.text in "€$£" and token.text:
        return {"€": "EUR", "$": "USD", "£": "?GBP"}[token.text], at + 1
    if token.text == "°":
        return "?°C", min(at + 2, len(tokens))
    if token.text in ("%", "‰"):
        return ("percent" if token.text == "%" else "?‰"), at + 1
    if token.kind != "word":
        return None
    name = _symbol(token)
    if name is None:
        pair = _two(tokens, at)
        if pair is None:
            return None
        name, at = pair
    elif name == "percent" and low(tokens, at + 1) in ("point", "points"):
        at += 1
    elif name in ("W", "kW", "MW", "mW", "GW") and low(tokens, at + 1) in ("hour", "hours", "hr", "hrs", "h"):
        name, at = name + "h", at + 1
    elif (
        name in ("W", "kW", "MW", "mW", "GW")
        and low(tokens, at + 1) == "-"
        and low(tokens, at + 2) in ("hour", "hours", "h")
    ):
        name, at = name + "h", at + 2
    elif name in ("W", "kW") and low(tokens, at + 1) in ("second", "seconds"):
        name, at = name + "s", at + 1
    return _power(tokens, name, at + 1)


def _power(tokens: list[Token], name: str, at: int) -> tuple[str, int]:
    text = low(tokens, at)
    if text in _AREA_WORDS:
        return name + _AREA_WORDS[text], at + 1
    if text == "^" and at + 1 < len(tokens) and tokens[at].glued:
        step = 1
        sign = ""
        if low(tokens, at + 1) == "-":
            sign, step = "-", 2
        power = low(tokens, at + step)
        if power.lstrip("-").isdigit() and len(power) <= 2:
            return f"{name}^{sign}{power}", at + step + 1
    return name, at


def _symbol(token: Token) -> str | None:
    text, lowered = token.text, token.low
    if text.endswith("'s"):
        return None
    if (
        text in SYMBOLS
        and text not in _NEVER
        and lowered not in COUNTED
        and lowered.rstrip("s") not in COUNTED
    ):
        if lowered in _BASES or lowered.rstrip("s") in _BASES:
            return _BASES.get(lowered) or _BASES[lowered.rstrip("s")]
        if lowered.endswith(("cycles", "bits", "bytes")):
            return text[:-1]
        return text.replace("gCO2eq", "gCO2e")
    if lowered in _ALIAS:
        return _ALIAS[lowered] or None
    if text.endswith("FLOPs"):
        return text[:-1] if text[:-1] in SYMBOLS else None
    word = lowered.removesuffix("s") if lowered not in ("hertz",) and len(lowered) > 3 else lowered
    if word in _BASES:
        return _BASES[word]
    for prefix, letter in _PREFIXES.items():
        if word.startswith(prefix):
            rest = word[len(prefix) :].lstrip("-")
            base = _BASES.get(rest) or _BASES.get(rest + "s")
            if base and letter + base in SYMBOLS:
                return letter + base
    if len(word) > 2 and word.endswith(("bit", "byte", "cycle", "flop")):
        head = text[0] + word[1:]
        return head if head in SYMBOLS else None
    return None


def _two(tokens: list[Token], at: int) -> tuple[str, int] | None:
    """Units of two words: "kilo watt", "clock cycles", "per cent", "floating point operations"."""
    first, second = low(tokens, at), low(tokens, at + 1)
    if first in _PREFIXES and at + 1 < len(tokens):
        word = second.removesuffix("s")
        base = _BASES.get(word)
        if base and _PREFIXES[first] + base in SYMBOLS:
            return _PREFIXES[first] + base, at + 1
    if first in ("clock", "cpu", "processor") and second in ("cycle", "cycles"):
        return "cycle", at + 1
    if first == "percentage" and second in ("point", "points"):
        return "percent", at + 1
    if first == "per" and second == "cent":
        return "percent", at + 1
    if first in ("floating-point", "floating") and "operation" in second + low(tokens, at + 2):
        return "FLOP", at + (1 if first == "floating-point" else 2)
    if first in ("us", "american") and second == "dollars":
        return "USD", at + 1
    return None


def _product(tokens: list[Token], top: str, at: int) -> tuple[str, int]:
    """Further symbols above the stroke: ``J*s^2``, ``J s^2``, ``W·h``."""
    for _ in range(4):
        if low(tokens, at) in ("*", "·", "×") and at + 1 < len(tokens):
            more = atom(tokens, at + 1)
        elif at < len(tokens) and tokens[at].kind == "word" and tokens[at].text in SYMBOLS:
            powered = low(tokens, at + 1) in ("^", "²", "³", "/")
            more = (
                atom(tokens, at)
                if powered and tokens[at].text not in _NEVER and len(tokens[at].text) < 3
                else None
            )
        else:
            return top, at
        if more is None or more[0].startswith("?") or more[0] in ("dB", "dBm", "dBW"):
            return top, at
        top, at = f"{top}*{more[0]}", more[1]
    return top, at


def _carbon(tokens: list[Token], top: str, at: int) -> tuple[bool, int]:
    """Whether "of CO2 equivalent" and its like follow a mass."""
    if top not in _MASS:
        return False, at
    here = at
    if low(tokens, here) == "of":
        here += 1
    if low(tokens, here) == "(" and low(tokens, here + 1) in _CARBON and low(tokens, here + 2) == ")":
        return True, here + 3
    if low(tokens, here) == "-" and low(tokens, here + 1) in _CARBON:
        here += 1
    if low(tokens, here) not in _CARBON:
        return False, at
    here += 1
    while low(tokens, here) in ("dioxide", "equivalent", "equivalents", "eq", "e", "eq.", "-") and (
        low(tokens, here) != "-" or low(tokens, here + 1) in ("eq", "e", "equivalent", "equivalents")
    ):
        here += 1
    return True, here


def _below(tokens: list[Token], at: int, scale: float) -> tuple[list[str], int, float, str, bool]:
    """What stands below the stroke: units, their scale, a noun, the place behind it, and whether one is unknown."""
    below: list[str] = []
    per = ""
    for _ in range(4):
        begun = _stroke(tokens, at)
        if begun is None:
            break
        here, sign = begun
        number = 1.0
        if here < len(tokens) and tokens[here].kind == "num":
            if sign == "/" or tokens[here].value not in (10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e9):
                break
            number, here = tokens[here].value, here + 1
        words = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "dozen": 12.0}
        while low(tokens, here) in words:
            number, here = number * words[low(tokens, here)], here + 1
        bracket = low(tokens, here) == "("
        found = atom(tokens, here + bracket)
        if found is not None and not found[0].startswith("?"):
            if found[0] == "percent":
                break
            text, here = _product(tokens, found[0], found[1]) if bracket else found
            if bracket:
                while low(tokens, here) == "/" and (more := atom(tokens, here + 1)) is not None:
                    text, here = f"{text}/{more[0]}", more[1]
                here += low(tokens, here) == ")"
                text = f"({text})"
                raised, here = _power(tokens, text, here)
                text = raised
            below.append(text)
            scale, at = scale / number, here
            continue
        noun = _noun(tokens, here)
        if noun is None:
            break
        name, here = noun
        if name in COUNTED:
            below.append(COUNTED[name])
        elif sign == "/" and tokens[here - 1].glued and not below and not name.isalpha():
            return ["?"], at, scale, per, True
        per = per or name
        scale, at = scale / number, here
    return below, at, scale, per, False


def _stroke(tokens: list[Token], at: int) -> tuple[int, str] | None:
    """The place behind "/", "per", "for every", "a" (before a time) where one of them stands; and which."""
    word = low(tokens, at)
    if word == "/" and at + 1 < len(tokens):
        return at + 1, "/"
    if word == "per":
        return (at + 2 if low(tokens, at + 1) == "each" else at + 1), "per"
    if word in ("for", "on", "in", "with") and low(tokens, at + 1) in ("every", "each"):
        following = atom(tokens, at + 2)
        if following is not None or word == "for":
            return at + 2, "per"
    if (
        word == "for"
        and low(tokens, at + 1) in ("a", "one")
        and atom(tokens, at + 2)
        and low(tokens, at + 2) not in ("second",)
    ):
        unit = atom(tokens, at + 2)
        if unit is not None and (unit[0] in _ENERGY or unit[0] in ("GB", "MB", "TB", "Mbit")):
            return at + 2, "per"
    if word in ("a", "an", "each", "every", "to", "the"):
        skip = 2 if word == "to" and low(tokens, at + 1) in ("the", "a", "each", "every") else 1
        unit = atom(tokens, at + skip)
        if unit is not None and unit[0] in _ENERGY:
            return at + skip, "a"
        if (
            unit is not None
            and unit[0] in _TIMES
            and word in ("a", "an", "each", "every")
            and low(tokens, at + 1) not in ("min",)
        ):
            return at + 1, "a"
        compound = low(tokens, at + 2).isalpha() and low(tokens, at + 2) not in _STOP  # "an image generator"
        if word in ("a", "an") and low(tokens, at + 1) in COUNTED and not compound:
            return at + 1, "a"
    return None


def _noun(tokens: list[Token], at: int) -> tuple[str, int] | None:
    """The noun that something is counted by: "per job", "per finished camera job"."""
    if at >= len(tokens) or tokens[at].kind != "word":
        return None
    word = singular(tokens[at].low)
    if word in ("the", "a", "its", "unit", "cent"):
        return (word, at + 1) if word == "unit" else None
    following = singular(low(tokens, at + 1))
    if word not in COUNTED and following in COUNTED and tokens[at + 1].low == following:
        return following, at + 2
    return word, at + 1


def _counted_rate(tokens: list[Token], at: int) -> UnitRead | None:
    """Things counted per time: "40 requests per second", "12 parcels an hour", "twice a day"."""
    if at >= len(tokens):
        return None
    here, noun = at, ""
    token = tokens[at]
    if token.kind == "word" and _stroke(tokens, at) is None and token.low != "times":
        steps = 0
        while steps < 3 and here < len(tokens) and tokens[here].kind == "word":
            here, steps = here + 1, steps + 1
            if _stroke(tokens, here) is not None:
                noun = singular(tokens[here - 1].low)
                break
        if not noun:
            return None
    elif token.low == "times":
        here += 1
    begun = _stroke(tokens, here)
    if begun is None or (begun[1] == "/" and not noun):
        return None
    below, stop, scale, per, strange = _below(tokens, here, 1.0)
    if not below and not strange:
        return None
    known = COUNTED.get(noun)
    of_time = bool(below) and all(
        part in _PERIODS for part in below
    )  # "voicemails/month" counts whatever they are
    glued = begun[1] == "/" and not known and noun and not of_time
    if (
        strange
        or glued
        or (noun and not known and any(part in _ENERGY or part in ("GB", "MB", "TB") for part in below))
    ):
        named = low(tokens, stop) if below == ["?"] else "/".join(below)
        return UnitRead(f"?{noun}/{named}".rstrip("/"), stop + (2 if below == ["?"] else 0), scale)
    if not noun and all(part in COUNTED.values() for part in below):
        return None  # "5 per job": a bare number
    if not known and all(part in COUNTED.values() for part in below):
        return None
    return _checked(
        UnitRead((known or "1") + "".join("/" + part for part in below), stop, scale, per, noun=noun)
    )


_PERIODS = frozenset(("h", "day", "week", "month", "year"))
_SINGULAR = mapping("unitwords.singular")
_KEPT = words("unitwords.kept")


def singular(word: str) -> str:
    """The singular of a noun in lower case where that is safe, the word itself otherwise."""
    word = word.removesuffix("'s")
    if word in _SINGULAR:
        return _SINGULAR[word]
    if word in _KEPT or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses", "zzes")):
        return word[:-2]
    return word[:-1]
