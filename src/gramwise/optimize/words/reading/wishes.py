"""What is wished for, and passages that speak to a program instead of describing a problem."""

from __future__ import annotations

import re

_LEAST = (
    r"(?:least|lowest|smallest|fewest|minimal|minimum|minimi[sz](?:e|es|ing|ed)|minimi[sz]ation|"
    r"reduc(?:e|es|ing|tion)|cut(?:s|ting)?|lower(?:s|ing)?|keep(?:s|ing)? down|as little|as few|"
    r"as low|low|less|lightest|shrink(?:s|ing)?|avoid(?:s|ing)?|sav(?:e|es|ing)|min\b|slash|limit(?:ing)?|drop|down)"
)
_CARBON = (
    r"(?:co2e?|co2-?eq\w*|carbon(?: dioxide)?|emissions?|greenhouse|ghg|footprint|climate|gco2e?|kgco2e?|grams|grammes|"
    r"kilos of co2|carbon-\w+)"
)
_OF = {
    "carbon": _CARBON,
    "cost": r"(?:costs?|price|money|bill|expens\w+|spend\w*|euros?|dollars?|budget|fees?)",
    "latency": r"(?:latenc\w+|delays?|response times?|time|duration|makespan|waiting|minutes|finish\w*|completion)",
    "energy": r"(?:energy|electricity|power|kilowatt.hours?|kwh|joules?|battery use|consumption)",
    "distance": r"(?:distance|mileage|kilomet\w+|route|miles|detours?|journey)",
    "risk": r"(?:risk|variance|volatility)",
    "error": r"(?:error|loss|misclassif\w+)",
}
_MOST = (
    r"(?:maximi[sz](?:e|es|ing|ed)|maximi[sz]ation|maximal|maximum|highest|most|best|largest|greatest|as much|as high|"
    r"increase|improve|boost|max\b)"
)
_MORE = {
    "accuracy": r"(?:accura\w+|precision|recall|quality|f1)",
    "profit": r"(?:profit\w*|revenue|returns?|sales|earnings|margin|yield)",
    "throughput": r"(?:throughput|requests served|bandwidth|goodput)",
}
_PHRASES = {
    "carbon": r"greenest|cleanest|min\.? (?:co2|carbon|emission)|"
    r"climate.friendl\w+|eco.?friendl\w+|lowest.carbon|low.carbon|"
    r"carbon.(?:optimal|minimal|aware)|kindest to the (?:climate|planet|air)|"
    r"gentlest on the (?:climate|planet)|as green(?:ly)? as|as clean(?:ly)? as|"
    r"(?:kindest|easiest|best|gentlest|good) (?:for|on|to) the (?:climate|planet|environment|earth|air|atmosphere)|"
    r"the (?:climate|planet|atmosphere) (?:would )?(?:least|thank)|dirt(?:y|iest) air|least (?:dirty|polluting|harm)|"
    r"(?:cares? (?:about|for)|caring (?:about|for)|mindful of|conscious of|for the sake of|spar(?:e|es|ing)|"
    r"protect(?:s|ing)?) "
    r"(?:the |our )?(?:climate|planet|environment|atmosphere|air)|(?:climate|planet)'s sake|"
    r"fewest gram\w*|smallest gram|least pollut\w+|pollut\w+ (?:the )?least|how green|greener|"
    r"emit(?:s|ting)? (?:the |as )?(?:least|little|less|fewest)|least smoke|least soot|gco2e? as (?:low|small|few)",
    "cost": r"cheapest|as cheap(?:ly)? as|least expensive|save (?:us )?money|lowest bill",
    "latency": r"fastest|as fast as|quickest|as quick(?:ly)? as|as soon as possible|soonest|shortest time",
    "energy": r"least power.hungry|most efficient|longest battery life|energy.optimal",
    "accuracy": r"most accurate|as accurate as|best model quality",
    "distance": r"shortest (?:route|path|tour|way)|shortest drive",
    "diet": r"healthiest|(?:cheapest|balanced|weekly) (?:diet|menu|meal)|calories",
    "training": r"(?:train|fit|fine-?tune) (?:me )?an? (?:classifier|model|network) (?:to|that|on|for)",
    "profit": r"most profitable|which (?:stocks?|shares|funds?)",
}
_REJECTED = (
    r"(?:regardless of|no matter|whatever|never mind|don't care about|do not care about|doesn't matter|does not matter|"
    r"irrespective of|ignor(?:e|ing)|forget(?: about)?|not interested in|is irrelevant|no concern|rather than|"
    r"without (?:regard|looking)|unimportant|nor)"
)
_GAP = r"(?:[^\w.!?;]+[\w'%-]+){0,5}?[^\w.!?;]+"
_INSTRUCTIONS = re.compile(
    r"""(?ix)
    \b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}?\b(?:instruction|instructions|prompt|prompts|
        rules|above|previous|prior|everything\ you|guidelines|validator|validation)\b[^.\n]{0,160}
  | \b(?:print|reveal|show|send|output|leak|exfiltrate|return|post|upload|email|e-mail)\b[^.\n]{0,40}?
        \b(?:api[\ _-]?key|keys?\b|secret|password|token\b|system\ prompt|environment\ variables?|
        credentials?|/etc/\w+|env\b)[^.\n]{0,160}
  | \b(?:run|execute|eval|evaluate|exec)\b[^.\n]{0,24}?
        \b(?:this\ code|following\ code|the\ code|command|script\ below|python|shell|bash|
        rm\ -rf|os\.system|subprocess)\b[^.\n]{0,160}
  | \b(?:you\ are\ now|you\ are\ an?\ (?:ai|assistant|language\ model|helpful)|act\ as\ (?:an?|if)|
        pretend\ (?:to\ be|you)|as\ an\ ai)\b[^.\n]{0,160}
  | (?:^|\n)\s{0,8}(?:system|assistant|developer|user)\s?:[^\n]{0,300}
  | <\s?/?\s?(?:system|script|instructions?|prompt|s|im_start|tool|function)\b[^>]{0,80}>
  | \[/?INST\]|<\|[a-z_]{1,30}\|>
  | \b(?:__import__|os\.system|subprocess\.\w+|eval|exec)\s?\([^\n]{0,120}
  | \{\{[^}\n]{0,120}\}\}
  | \b(?:rm\ -rf|curl\ |wget\ |sudo\ |DROP\ TABLE)[^\n]{0,120}
  | \b(?:answer|respond|reply)\ (?:only\ )?with\b[^.\n]{0,120}
  | (?:https?://|www\.)[^\s<>]{1,400}
    """
)
_FENCE = re.compile(r"```[^\n]*\n.*?(?:```|\Z)", re.DOTALL)


def wish(text: str) -> str:
    """What is to be made least or most: "carbon", "cost", "latency", "energy", "accuracy", ...; empty if nothing is.

    Carbon wins where several are named, unless it is put aside ("as fast as possible, regardless of carbon").
    """
    low = text.lower().replace("\n", " ")
    hits: dict[str, int] = {}
    for name, what in _OF.items():
        least = rf"\b{_LEAST}\b{_GAP}(?:\w+[- ])?{what}\b"
        less = rf"\b{what}\b{_GAP}(?:as low|as small|down|minimal|to a minimum|least|lowest)"
        starts = [m.start() for m in re.finditer(least, low)] + [m.start() for m in re.finditer(less, low)]
        starts = [at for at in starts if not _limit(low, at)]
        if starts:
            hits[name] = min(starts)
    for name, what in _MORE.items():
        found = _search(rf"\b{_MOST}\b{_GAP}{what}\b", low)
        if found is not None:
            hits[name] = found
    for name, phrase in _PHRASES.items():
        found = _search(rf"\b(?:{phrase})", low)
        if found is not None:
            hits[name] = min(found, hits.get(name, found))
    put_aside = re.search(rf"{_REJECTED}(?:\W+\w+){{0,3}}?\W+(?:the )?{_CARBON}", low) or re.search(
        rf"{_CARBON}(?:\W+\w+){{0,2}}?\W+"
        r"(?:is irrelevant|does(?:n't| not) matter|don't matter|do not matter|is no concern|is not a concern)",
        low,
    )
    if "carbon" in hits and not put_aside:
        return "carbon"
    hits.pop("carbon", None)
    if "energy" in hits:
        others = {name: at for name, at in hits.items() if name != "energy"}
        return min(others, key=lambda n: others[n]) if others and put_aside else "energy"
    return min(hits, key=lambda name: hits[name]) if hits else ""


def _search(pattern: str, low: str) -> int | None:
    found = re.search(pattern, low)
    return found.start() if found else None


def _limit(low: str, at: int) -> bool:
    """ "At least 3 kWh of energy" and "keep emissions under 5 kg" wish for nothing: they set a limit."""
    told = r"(?:\w+\W+){0,3}?(?:below|under|within|at most|no more than|up to|to at most)\s(?:\w+\s)?\d"
    return bool(re.match(r"(?:\w+\W+){0,2}?\d", low[at : at + 20]) or re.match(told, low[at : at + 60]))


def remarks(text: str) -> tuple[tuple[int, int], ...]:
    """Passages that read like instructions to a program, code or addresses; none is followed."""
    spans = [m.span() for m in _INSTRUCTIONS.finditer(text)] + [m.span() for m in _FENCE.finditer(text)]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
