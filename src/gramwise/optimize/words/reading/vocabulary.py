"""The word lists of the reader, kept as text in ``data/words/vocabulary.toml`` so that they can be read and amended."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def _all() -> dict[str, dict[str, Any]]:
    text = resources.files("gramwise").joinpath("data", "words", "vocabulary.toml").read_text("utf-8")
    return tomllib.loads(text)


def words(key: str) -> frozenset[str]:
    """The words listed under ``module.name``."""
    module, _, name = key.partition(".")
    return frozenset(str(_all()[module][name]).split())


def mapping(key: str) -> dict[str, str]:
    """The spellings listed under ``module.name``, each with what it stands for."""
    module, _, name = key.partition(".")
    return {str(spelling): str(meaning) for spelling, meaning in _all()[module][name].items()}


def phrases(key: str) -> tuple[tuple[str, ...], ...]:
    """The phrases listed under ``module.name`` with semicolons, word by word, the longest first."""
    module, _, name = key.partition(".")
    found = (tuple(phrase.split()) for phrase in str(_all()[module][name]).split(";"))
    return tuple(sorted(found, key=len, reverse=True))
