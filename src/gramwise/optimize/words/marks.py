"""What a description is about in structure: which kinds of quantity it gives, over what, and what it asks to decide.

Everyday stories share few words with a card: the bakery's order robot is a replica, and nothing in its text says so.
What stays is the structure: one carbon intensity for each place or for each hour, a store of energy beside a sun,
listed speeds with their powers, answers right in so many of a hundred, "how many", "until when". Each such feature is
a *mark*. A family card lists its typical and its possible marks; `knowledge.retrieve` weighs a text's marks against
these lists.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from gramwise.optimize.knowledge.base import Base
from gramwise.optimize.knowledge.retrieve import Hit, retrieve
from gramwise.optimize.typed.findings import Refused
from gramwise.optimize.typed.units import alike, parse_unit

from .statement import Figure, Reading

_KINDS: Final = (
    ("energy", "J"),
    ("power", "W"),
    ("bytes", "bit"),
    ("bit_rate", "bit/s"),
    ("per_second", "1/s"),
    ("cycles", "cycle"),
    ("distance", "m"),
    ("distance", "m/s"),
    ("distance", "J/m"),
    ("per_byte", "J/bit"),
    ("intensity", "gCO2e/J"),
    ("grams", "gCO2e"),
)
_CLOCK_HZ = 1e8
"""Frequencies from here on are clocks of processors, those below widths of radio bands."""
_SLOW: Final = re.compile(r"/(day|d|week|month|h|hr|hour)\b")
_HOURLY: Final = re.compile(
    r"\b(hours?|slots?|periods?|intervals?|night|evening|morning|noon|midday|afternoon|midnight|dawn|o'clock"
    r"|\d\s?[ap]m|\d?\d:\d\d|monday|tuesday|wednesday|thursday|friday|saturday|sunday|tonight|tomorrow)\b",
    re.IGNORECASE,
)
_SAID: Final = {
    # What is to be decided, and what is told of in whole phrases; in the words of all three registers.
    "asks_when": (
        r"when (should|shall|do|does|to|can|will)|at (what|which) (time|hour)s?|(which|what) hours?|"
        r"start (time|hour|slot)s?|postpone|put (it|them|this) off|timetable|hour by hour|"
        r"time ?slots?|defer\w*"
    ),
    "asks_how_many": (r"how many|number of|replica counts?"),
    "asks_where": (
        r"where (shall|should|to|do|does|is|can|will)|who (gets|does|takes|answers|should get)|"
        r"what (goes|runs) where|on which|"
        r"(to|onto|at) which (machine|server|site|place|box|computer|node)|"
        r"which (machine|server|box|computer|node|site|place)s?\b|"
        r"which (\w+ ){1,3}(to|on|at|onto) which|which for which|"
        r"(exactly|only|just) one (of|site|node|server|machine|place|computer)|goes? to (which|one)|"
        r"assign\w*|offload\w*|plac(e|ing|ement)|"
        r"(can|may|could|must|to) (be )?(run|happen|done|go|be processed) (on|at|in|to) (the|one|any|either)|"
        r"either (on|at|in)"
    ),
    "asks_share": (
        r"shares?|portions?|fractions?|what part|which part|percentages?|divided?|divisible|parted|"
        r"split (it|them|the|my|our|this|in)|spread|distribut\w+|in any way|mix"
    ),
    "asks_who": (
        r"take part|participa\w+|join\w*|invite\w*|selected clients?|sit (this|it) one out|"
        r"be in this round|"
        r"which (\w+ )?(clients?|clubs?|members|clinics|devices|schools|hospitals|farms) "
        r"(should|shall|do|does|must|are)"
    ),
    "asks_keep": (
        r"keep|kept|hold|held|remember\w*|stored?|resident|stay|cached?|leave on|fit|fits|room for|"
        r"at hand|beforehand|sit in"
    ),
    "asks_fast": (
        r"how (fast|quick|quickly|hard)|"
        r"(which|what) (speed|pace|gear|clock|frequency|level|setting|step)|frequenc\w+|gears?|paces?|"
        r"speeds?|clocked?|throttle\w*|ticks?|gigahertz|megahertz|revs"
    ),
    "asks_loud": (
        r"how (loud|loudly|strong|strongly)|transmit\w*|sending power|send with|antennas?|aerials?|"
        r"channels?|radio links?|transmitters?|senders?|hiss|noise|interfer\w+|shout|whisper|yell"
    ),
    "asks_often": (
        r"how often|wakes?|wake-ups?|awake|asleep|sleeps?|sleeping|doz\w+|naps?|napping|duty.cycl\w+|"
        r"readings|measurements|samples|sampling"
    ),
    "asks_gather": (
        r"gather\w*|collect\w*|bundles?|batch(es)?|pile|piles|handfuls?|in one go|at a time|at once|"
        r"groups? of|together before|wait(ing)? (for|until|till)|accumulate"
    ),
    "asks_hand_over": (
        r"hand(s|ed)? (it )?over|hand-over|after (which|what)|up to (which|what)|take(s)? over|cut|"
        r"first (half|part|few|couple|layers?|steps?|stages?)|the (rest|remainder)|half-finished|"
        r"interim|layers?|stages?|partition\w*|split point|pass(es|ing)? (it |them )?on"
    ),
    "lists_versions": (
        r"versions?|variants?|editions?|sizes? of model|nano|tiny|small|medium|middle|large|grand|"
        r"basic|clever\w*|simple|fat|light|heavy|expert|exits?|quanti[sz]ed|bit|careful"
    ),
    "says_right": (
        r"accura\w+|right|wrong|correct\w*|errors?|mistakes?|quality|recall|good enough|misread\w*|"
        r"catch\w*|content (if|with)|recognis\w+"
    ),
    "says_copies": (
        r"cop(y|ies)|replicas?|instances?|switched on|switch on|are on|be on|running|helpers?|tills|"
        r"standby|idle|open|awake|turned on|powered up|containers?|pods?|bring up|spin up|boot\w*"
    ),
    "says_fetched": (
        r"fetch\w*|download\w*|loaded?|pulled|brought|comes? (over|in from)|missing|every single time|"
        r"miss|not (there|kept|stored|held|in)"
    ),
    "says_learning": (r"learn\w*|train\w*|teach\w*|taught|practis\w+|studi\w+|rounds?|federated"),
    "says_private": (
        r"without sharing|stays? (at home|in|with)|keeps? (\w+ ){0,3}(at home|to (itself|themselves))|"
        r"hand out|never leave|own (data|records|pictures|patients)|nobody shows|local data|"
        r"share its data"
    ),
    "says_battery": (
        r"batter(y|ies)|accumulators?|storage|powerbank|charg\w+|discharg\w+|state of charge|soc|"
        r"fill\w*|empty|half full|drain\w*|stored"
    ),
    "says_sun": (r"sun\w*|solar|panels?|pv|photovoltaic|harvest\w*|roof|wind"),
    "says_flying": (
        r"drones?|uavs?|hover\w*|copters?|quadrotors?|quadcopters?|propellers?|altitude|flies|fly|"
        r"flying|aerial|in the air"
    ),
    "says_frames": (
        r"frames?|fps|resolutions?|1080p|720p|480p|hd|sharp|blurr?y|pictures? (per|a|every) second|"
        r"streams?|footage|cameras?|videos?|films?"
    ),
    "says_finish": (
        r"deadlines?|done (by|before|until)|ready (by|before|at)|finish\w*|complete[d]? (by|before)|"
        r"by (then|\d|six|seven|five|four|noon|morning|breakfast)|no hurry|not mind when|can wait|"
        r"pause\w*|in pieces|interrupt\w*|without a break|in one go|contiguous|start\w*|begin\w*"
    ),
    "says_waiting": (r"wait\w*|queue\w*|latency|hang in|answers? (within|in)|reply|respon\w+"),
    "says_capacity": (
        r"capacit(y|ies)|room (for|at)|at most|up to|"
        r"can (only )?(take|handle|swallow|manage|hold|do|absorb|serve)|no more than|"
        r"takes? (up to|only)|not more than|only (has|have|takes?|does|manages?)|manages? only|holds?|"
        r"limit(ed)?|cap(ped)?|at a time|maximum|max"
    ),
}
_PATTERNS: Final = {m: re.compile(rf"\b({said})\b", re.IGNORECASE) for m, said in _SAID.items()}
_COUNTED: Final = {
    "sizes": ("bytes", 1),
    "many_sizes": ("bytes", 4),
    "bit_rate": ("bit_rate", 1),
    "cycles": ("cycles", 1),
    "powers": ("power", 1),
    "power_two": ("power", 2),
    "energies": ("energy", 2),
    "per_byte": ("per_byte", 1),
    "distances": ("distance", 1),
    "clock_speeds": ("clock", 1),
    "radio_band": ("band", 1),
    "radio_power": ("radio", 1),
    "clock_times": ("time", 1),
    "per_second": ("per_second", 1),
    "per_day": ("per_day", 1),
}
"""Mark: kind of figure, and how many of it make the mark."""
_STORE = r"(stor|batter|accumul|powerbank|cell|pack)"
_WH = r"\d[\d.,]*\s?[kM]?(Wh|watt-hours?|kilowatt-hours?)"
_WRITTEN: Final = {
    "shares": re.compile(r"\d\s?(%|per ?cent)"),
    "of_a_hundred": re.compile(r"\b(in|of|out of) (a|one)? ?(hundred|100|10|ten|twenty|fifty)\b"),
    "least_count": re.compile(r"\bat least (\w+ ){0,2}?(\d+|two|three|four|five|six|seven)\b"),
    "stored_energy": re.compile(rf"{_STORE}\w*\W+(?:\S+\s+){{0,8}}?{_WH}|{_WH} (\w+ ){{0,3}}{_STORE}"),
}
_INTENSITIES: Final = ("intensity_one", "intensity_hours", "intensity_places")
MARKS: Final = frozenset((*_PATTERNS, *_COUNTED, *_WRITTEN, *_INTENSITIES, "series_hours"))
"""Every mark that a text can have, and so every one that a card may list."""


def marks_of(reading: Reading) -> frozenset[str]:
    """The marks of a text.

    Args:
        reading: the text, read.
    """
    said = {name for name, pattern in _PATTERNS.items() if pattern.search(reading.text)}
    return frozenset(said | _measured(reading))


def nearest_families(reading: Reading, *, k: int, base: Base | None = None) -> tuple[Hit, ...]:
    """The family cards nearest to a text, by its words, its units, its nouns and its marks; best first.

    Args:
        reading: the text, read.
        k: at most so many.
        base: cards; the shipped ones if None.
    """
    return retrieve(
        reading.text,
        units=[f.unit for f in reading.figures if f.unit],
        nouns=[n.noun for n in reading.groups if n.noun],
        marks=marks_of(reading),
        k=k,
        kind="family",
        base=base,
    )


def _measured(reading: Reading) -> set[str]:
    kinds = [_kind(f) for f in reading.figures]
    count = Counter(kinds)
    found: set[str] = set()
    found |= _intensities(reading, kinds)
    found |= {mark for mark, (kind, least) in _COUNTED.items() if count[kind] >= least}
    found |= {mark for mark, pattern in _WRITTEN.items() if pattern.search(reading.text)}
    series = [
        r for r in reading.runs if len(r.over) != len(r.figures)
    ]  # a column of named things is no series
    if any(len(r.figures) >= 4 and _kind(r.figures[0]) in ("energy", "power") for r in series):
        found.add("series_hours")
    return found | _columns(reading)


def _columns(reading: Reading) -> set[str]:
    """What the columns of named things say: each with its energy and its share of right answers, they are versions."""
    told: dict[tuple[str, ...], list[str]] = {}
    for run in reading.runs:
        if len(run.over) == len(run.figures) > 1:
            share = run.figures[0].unit == "percent"
            told.setdefault(run.over, []).append("share" if share else _kind(run.figures[0]))
    versions = any("share" in kinds and {"energy", "power"} & set(kinds) for kinds in told.values())
    return {"lists_versions", "says_right"} if versions else set()


def _kind(figure: Figure) -> str:
    if figure.clock:
        return "time"
    if not figure.unit:
        return ""
    try:
        unit = parse_unit(figure.unit)
    except Refused:
        return ""
    if unit.log:
        return "radio"
    kind = next((k for k, s in _KINDS if alike(unit.dims, parse_unit(s).dims)), "")
    if kind == "per_second" and "Hz" in figure.unit:
        return "clock" if abs(figure.value) * unit.factor >= _CLOCK_HZ else "band"
    if kind == "per_second" and _SLOW.search(figure.unit):
        return "per_day"
    return "radio" if kind == "power" and figure.unit.startswith("m") else kind


def _intensities(reading: Reading, kinds: list[str]) -> set[str]:
    """Whether carbon intensities are said once, for each hour, or for each place."""
    said = [f for f, kind in zip(reading.figures, kinds, strict=True) if kind in ("intensity", "grams")]
    if not said:
        return set()
    longest = max((len(r.figures) for r in reading.runs if r.figures[0] in said), default=0)
    if len(said) == 1 and longest <= 1:
        return {"intensity_one"}
    over = [r.over for r in reading.runs if r.figures[0] in said]
    steps = any(len(o) == 1 and _HOURLY.search(o[0]) for o in over) or longest >= 6
    headed = sum(bool(_HOURLY.search(f"{f.row} {f.column} {' '.join(f.subjects)}")) for f in said)
    hourly = steps or 2 * headed >= len(said) or _times(reading, said)
    return {"intensity_hours" if hourly else "intensity_places"}


def _times(reading: Reading, said: list[Figure]) -> bool:
    """Whether the clauses around these figures speak of as many times as there are figures, or list them for hours."""
    around = {f.clause for f in said if f.clause < len(reading.clauses)}
    texts = (reading.text[reading.clauses[c].start : reading.clauses[c].end] for c in around)
    times = {m.group(0).lower() for text in texts for m in _HOURLY.finditer(text)}
    listed = len(said) >= 3 and not any(f.subjects or f.row or f.column for f in said)
    return len(times) >= (1 if listed else max(2, len(said) - 1))
