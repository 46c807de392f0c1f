"""The shipped cards, read once and checked: a broken card is refused with its file and its id.

Cards and symbols are TOML in ``data/knowledge``; parameter cards of grid zones and devices are made on load from the
tables that ship anyway, so that each such figure is written down once. Nothing in a card is executed: expressions go
through the same parser as a user's, and every other field is text.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import ValidationError

from gramwise.core.errors import ConfigError

from .checks import faults
from .entry import Entry, Symbol
from .tables import parameter_entries

_Card = TypeVar("_Card", Symbol, Entry)


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A knowledge base.

    Attributes:
        version: of the cards, for ``meta.kb_version``.
        symbols: by name.
        entries: by id, in the order of the files.
    """

    version: str
    symbols: Mapping[str, Symbol]
    entries: Mapping[str, Entry]

    def of(self, kind: str) -> tuple[Entry, ...]:
        """Entries of one kind, in order."""
        return tuple(e for e in self.entries.values() if e.kind == kind)

    def family(self, family_id: str) -> Entry:
        """The card of a family.

        Raises:
            ConfigError: there is no such family; the message lists them.
        """
        entry = self.entries.get(family_id)
        if entry is None or entry.model is None:
            known = ", ".join(e.id for e in self.of("family"))
            raise ConfigError(f"there is no family {family_id!r}; there are {known}.")
        return entry

    def without(self, excluded: Iterable[str]) -> Base:
        """The same base without some entries, for leave-one-out."""
        out = set(excluded)
        kept = {i: e for i, e in self.entries.items() if i not in out}
        return Base(self.version, self.symbols, MappingProxyType(kept))

    def usual(self) -> Base:
        """The same base without symbols that few texts state, and without the formulas and terms that rest on them."""
        out = frozenset(s.name for s in self.symbols.values() if s.seldom)
        symbols = {n: s for n, s in self.symbols.items() if n not in out}
        kept = (e for e in self.entries.values() if not e.seldom and out.isdisjoint((*e.requires, e.defines)))
        entries = {e.id: _plain(e, out) for e in kept}
        return Base(self.version, MappingProxyType(symbols), MappingProxyType(entries))


@lru_cache(maxsize=2)
def shipped(*, seldom: bool = False) -> Base:
    """The cards that come with gramwise, with a card for every grid zone and device of its tables.

    Args:
        seldom: with what few texts state as well. A reader that has to tell a number's symbol from its neighbours
            does better without, as long as it cannot weigh a whole text together.
    """
    whole = load(resources.files("gramwise.data") / "knowledge", parameter_entries())
    return whole if seldom else whole.usual()


def load(folder: Traversable, more: Iterable[Entry] = ()) -> Base:
    """Cards of a folder: ``VERSION``, ``symbols.toml``, and entries in every other ``*.toml``.

    Args:
        folder: a directory, or a package's.
        more: entries from elsewhere, put behind those of the files.

    Raises:
        ConfigError: a file is no TOML, a card lacks a field or names what is not there; names file and id.
    """
    symbols: dict[str, Symbol] = {}
    entries: dict[str, Entry] = {}
    origin: dict[str, str] = {}
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name):
        document = _document(file)
        for raw in document.get("symbol", []):
            symbol = _checked(Symbol, raw, file.name, str(raw.get("name", "?")))
            if symbol.name in symbols:
                raise ConfigError(f"{file.name}: symbol {symbol.name!r} stands twice; give it another name.")
            symbols[symbol.name], origin[symbol.name] = symbol, file.name
        for raw in document.get("entry", []):
            entry = _checked(Entry, raw, file.name, str(raw.get("id", "?")))
            if entry.id in entries:
                raise ConfigError(f"{file.name}: entry {entry.id!r} is also in {origin[entry.id]}.")
            entries[entry.id], origin[entry.id] = entry, file.name
    for entry in more:
        entries.setdefault(entry.id, entry)
    for entry_id, fault in faults(symbols, entries):
        raise ConfigError(f"{origin.get(entry_id, 'a table')}: {entry_id}: {fault}")
    version = (folder / "VERSION").read_text(encoding="utf-8").strip()
    return Base(version, MappingProxyType(symbols), MappingProxyType(entries))


def _plain(entry: Entry, out: frozenset[str]) -> Entry:
    """An entry that speaks of none of the symbols ``out``."""
    said = tuple(n for n in entry.symbols if n not in out)
    model = entry.model
    if model is None:
        return entry.model_copy(update={"symbols": said})
    out |= frozenset(model.seldom)
    terms = {
        part: tuple(
            t.model_copy(update={"unless": tuple(n for n in t.unless if n not in out)})
            for t in getattr(model, part)
            if out.isdisjoint(t.needs)
        )
        for part in ("variables", "derived", "constraints")
    }
    lists = {
        "seldom": (),
        "optional": tuple(n for n in model.optional if n not in out),
        "alternatives": tuple(names for names in model.alternatives if out.isdisjoint(names)),
        "pulls": {n: pulled for n, pulled in model.pulls.items() if out.isdisjoint((n, *pulled))},
    }
    return entry.model_copy(update={"symbols": said, "model": model.model_copy(update={**terms, **lists})})


def _document(file: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file.name}: this is no TOML: {error}") from error


def _checked(record: type[_Card], raw: Mapping[str, Any], file: str, name: str) -> _Card:
    try:
        return record.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{file}: {name}: {where}: {first['msg']}.") from error
