"""Which language a text seems to be in, by counting its commonest small words."""

from __future__ import annotations

import re
from collections import Counter

from .vocabulary import words

_WORDS = {name: words(f"language.{name}") for name in ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "pl")}
_SCRIPTS = (
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
)


def language(text: str) -> str:
    """Two letters of the language, "en" where the text is too short to tell or has no words at all."""
    letters = sum(character.isalpha() for character in text)
    for name, script in _SCRIPTS:
        if letters and len(script.findall(text)) > 0.25 * letters:
            return name
    counts = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    total = sum(counts.values())
    if total < 12:
        return "en"
    scores = {name: sum(counts[word] for word in small) / total for name, small in _WORDS.items()}
    best = max(scores, key=lambda name: (scores[name], name == "en"))
    return best if scores[best] >= 0.12 and scores[best] > 1.5 * scores["en"] else "en"
