"""What is declined before any family is tried: another language, another wish, nothing about computing or power.

A decline says what is done here instead, so that a person can rephrase. Words are compared as stems; the lists name
what the fifteen families are about, and what commonly looks like them and is not.
"""

from __future__ import annotations

import re

from gramwise.optimize.typed.units import parse_unit

from .assemble_cues import stem
from .assemble_quantity import unit_of
from .statement import Reading

_HERE = (
    "This formulates decisions about computing, AI, IoT and their electricity with the fewest grams of CO2e: where, "
    "when, how fast or with which model something runs, and how batteries, radios, replicas and caches serve it."
)
_INTENSITY, _JOULE, _WATT = parse_unit("gCO2e/J"), parse_unit("J"), parse_unit("W")
_LANGUAGES = {
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
}
_CARBON_WISHES = {"", "carbon", "energy", "emissions"}
_SEEKING = re.compile(
    r"\b(minimi[sz]\w*|min\.?|least|lowest|fewest|smallest|less|lower|fewer|little|few|low|small|reduc\w+|cut|cuts|sav\w+|"
    r"optim\w+|best|kind(est|er)?|gentle\w*|friendl\w+|good|better)\b",
    re.IGNORECASE,
)
_GREEN = re.compile(
    r"\b(green(er|est)|clean(er|est)|carbon[- ]aware|kind(er|est)? (to|for)|climate[- ]friendl\w+|planet|"
    r"decarboni\w+)\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    r"co2|co₂|carbon|emission|emit|greenhouse|footprint|climate|planet|grams|energy|electricity|pollut|dirt",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_MACHINE_WORDS = """
computer server cloud edge gateway device phone laptop tablet camera sensor drone uav gpu cpu processor chip board
raspberry jetson network neural model inference training train job task workload request query batch data datacenter
centre center rack cluster node replica instance container video stream frame image photo picture radio antenna
transmit transmitter wifi bandwidth uplink battery solar panel charge discharge storage inverter ai iot machine robot
software app application service web website backup render rendering encode transcode simulation compute computing
clock frequency cycle flop memory cache client federated variant accuracy kwh kilowatt watt electricity grid power
meter thermostat assistant speaker router hub bot chatbot llm token controller routine firmware joule
download gigabyte megabyte kiosk terminal adapter vram
"""
_MACHINES = frozenset(map(stem, _MACHINE_WORDS.split()))
_NEVER = re.compile(
    r"\b(diet|recipe|calorie|menu|portfolio|stocks|stock (market|exchange|price)s?|shares of stock|"
    r"shareholder|vaccine|wedding|crop|fertili[sz]er|"
    r"delivery (van|truck|route)s?|lorr(y|ies)|parcel|truck|flight|airline|travel(l)?er|tourist|commut\w+|furniture|"
    r"steel|cement|concrete|livestock|cows?|harvest season|timetable of trains|bus(es)?|cargo|ship(s|ping) route)\b",
    re.IGNORECASE,
)


def why_out_of_scope(reading: Reading) -> str:
    """Why this text is not for us, and what is; empty where it may be.

    Args:
        reading: the text, read.
    """
    if reading.language != "en":
        name = _LANGUAGES.get(reading.language, f"another language ({reading.language})")
        return f"The text seems to be in {name}. Only English is read so far. {_HERE}"
    words = {w for clause in reading.clauses for w in (stem(x) for x in clause.words)}
    if reading.wish not in _CARBON_WISHES:
        return f"The text asks for the best {reading.wish}, not for the fewest emissions. {_HERE}"
    if reading.wish == "" and not _seeks_less(reading.text):
        return f"The text does not ask for a decision with the fewest emissions. {_HERE}"
    machines = len(words & _MACHINES) + (4 if _tells_grid(reading) else 0)
    if machines == 0 or (_NEVER.search(reading.text) and machines < 4):
        return f"This does not seem to be a decision about computing or its electricity. {_HERE}"
    return ""


def _tells_grid(reading: Reading) -> bool:
    """Whether several grams per energy are told, beside an energy or a power: it is about electricity."""
    units = [unit_of(f) for f in reading.figures if f.unit]
    grid = sum(u is not None and u.same(_INTENSITY) for u in units)
    return grid >= 2 and any(u is not None and (u.same(_JOULE) or u.same(_WATT)) for u in units)


def _seeks_less(text: str) -> bool:
    """Whether some sentence asks for little of what emissions are about."""
    sentences = _SENTENCE.split(re.sub(r"\b(min|max)\.", r"\1", text))
    return any(_GREEN.search(s) or (_SEEKING.search(s) and _ABOUT.search(s)) for s in sentences)
