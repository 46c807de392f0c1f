"""Bills of materials: YAML or TOML files in the form of ACT's, read strictly into parts with units resolved.

A file has ``name``, ``description`` and the groups ``silicon``, ``materials`` and ``passives``, each a table of parts
by name, and may bring in other files under ``imports``. Two groups are ours alone: ``parts`` (anything that has a
factor: casing, supply, camera, radio, end of life) and ``transport`` (legs). Reading says nothing of grams: the named
methods in `act` and the own method in `device` evaluate what was read. A key that nobody knows is refused.
"""

from __future__ import annotations

import importlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gramwise.core.errors import ConfigError, SourceUnavailable, did_you_mean
from gramwise.footprint.embodied.dies import abatement, yield_of
from gramwise.footprint.embodied.memory import KINDS
from gramwise.footprint.embodied.units import (
    AREA_CM2,
    CAPACITY_GB,
    DISTANCE_KM,
    ENERGY_KWH,
    LENGTH_CM,
    MASS_KG,
    size,
)

Group = Literal["silicon", "materials", "passives", "parts", "transport"]

_TOP = ("name", "description", "imports", "silicon", "materials", "passives", "parts", "transport")
_KEYS: dict[Group, tuple[str, ...]] = {
    "silicon": ("model", "process", "area", "capacity", "n_ics", "fab_yield", "fab_ci", "gpa"),
    "materials": ("category", "type", "weight", "quantity", "area", "layers", "thickness", "capacity"),
    "passives": ("category", "type", "weight", "quantity"),
    "parts": ("factor", "amount"),
    "transport": ("means", "distance", "weight"),
}
_CATEGORIES: dict[str, tuple[str, ...]] = {
    "materials": ("pcb", "battery", "enclosure", "frame", "tin", "bronze", "aluminum", "pb_free_solder"),
    "passives": ("capacitor", "resistor", "inductor", "diode", "connector", "switch", "active", "other"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a bill of materials, sizes in base units; None where nothing was written.

    Attributes:
        name: its key in the file.
        group: of the file that it stands in.
        kind: ``"logic"``, ``"dram"``, ``"flash"`` or ``"hdd"`` of silicon; the means of transport; ``"part"``; else the
            category.
        type: within the category: ``"0402"``, ``"mlcc"``, ``"steel"``, ``"nmc"``; of a part, its factor's key.
        process: node of a die or technology of a memory.
        area_cm2, capacity_gb, capacity_kwh, mass_kg, thickness_cm: of one piece.
        layers: of a board.
        n_ics: packages.
        fab_yield, fab_ci, gpa_pct: of the fab.
        quantity: pieces; of a part, the amount in the unit that its factor is per; of a leg, kilometres.
    """

    name: str
    group: Group
    kind: str
    type: str | None = None
    process: str | None = None
    area_cm2: float | None = None
    capacity_gb: float | None = None
    capacity_kwh: float | None = None
    mass_kg: float | None = None
    thickness_cm: float | None = None
    layers: int | None = None
    n_ics: int | None = None
    fab_yield: float | None = None
    fab_ci: str | None = None
    gpa_pct: int | None = None
    quantity: float | None = None

    def needs(self, field: str, key: str | None = None) -> Any:
        """A field that has to be there.

        Raises:
            ConfigError: nothing was written; names the part and the key.
        """
        value = getattr(self, field)
        if value is None:
            raise ConfigError(
                f"a {self.kind} needs it.", key=f"{self.name}.{key or field}", fix="Write it with its unit."
            )
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Bom:
    """A bill of materials: its name and its parts in the order of the files."""

    name: str
    parts: tuple[Part, ...]


def load(path: str | Path) -> Bom:
    """Read a bill of materials from a ``.yaml``, ``.yml`` or ``.toml`` file, with what it imports.

    Args:
        path: of the file; imports are looked for beside it.

    Raises:
        ConfigError: it cannot be read or means nothing: names the file, the key and what to write instead.
        SourceUnavailable: YAML without the PyYAML package.
    """
    return _load(Path(path), ())


def _load(path: Path, above: tuple[Path, ...]) -> Bom:
    if path.resolve() in above:
        raise ConfigError("it imports itself, by way of others.", file=path, key="imports")
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}.", file=path, fix="Check the path.") from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not text in UTF-8.", file=path, fix="Give a .yaml or .toml file.") from error
    document = _toml(text, path) if path.suffix == ".toml" else _yaml(text, path)
    bom = parse(document, file=str(path))
    imported: list[Part] = []
    for key, name in _table(document.get("imports") or {}, str(path), "imports").items():
        if not isinstance(name, str):
            raise ConfigError("is not a file name.", file=path, key=f"imports.{key}")
        imported += _load(path.parent / name, (*above, path.resolve())).parts
    return Bom(name=bom.name, parts=(*bom.parts, *imported))


def _toml(text: str, path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not TOML: {error}.", file=path) from error


def _yaml(text: str, path: Path) -> Mapping[str, Any]:
    try:
        yaml = importlib.import_module("yaml")
    except ModuleNotFoundError as error:
        raise SourceUnavailable(
            "reading YAML bills of materials needs the PyYAML package: pip install 'gramwise[plan]'"
        ) from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"is not YAML: {error}.", file=path) from error
    return _table(document, str(path), None)


def parse(document: Mapping[str, Any], file: str | None = None) -> Bom:
    """The parts of one document, without its imports.

    Args:
        document: as read from a file.
        file: to name in errors.

    Raises:
        ConfigError: an unknown key or category, a size without a unit, a figure that makes no sense.
    """
    _known(document, _TOP, file, None)
    parts = tuple(
        _part(group, str(name), _table(body, file, f"{group}.{name}"), file)
        for group in _KEYS
        for name, body in _table(document.get(group) or {}, file, group).items()
    )
    return Bom(name=str(document.get("name", "unnamed")), parts=parts)


def _part(group: Group, name: str, body: Mapping[str, Any], file: str | None) -> Part:
    where = f"{group}.{name}"
    _known(body, _KEYS[group], file, where)
    if group == "parts" or group == "transport":
        return _plain(group, name, body, file, where)
    kind = _kind(group, body, file, where)
    energy = kind == "battery"

    def sized(key: str, units: Mapping[str, float]) -> float | None:
        return size(body[key], units, f"{where}.{key}", file) if body.get(key) is not None else None

    def counted(key: str) -> float | None:
        return _count(body[key], f"{where}.{key}", file) if body.get(key) is not None else None

    layers, ics = counted("layers"), counted("n_ics")
    return Part(
        name=name,
        group=group,
        kind=kind,
        type=_type(body.get("type"), f"{where}.type", file),
        process=None if body.get("process") is None else str(body["process"]).strip(),
        area_cm2=sized("area", AREA_CM2),
        capacity_gb=None if energy else sized("capacity", CAPACITY_GB),
        capacity_kwh=sized("capacity", ENERGY_KWH) if energy else None,
        mass_kg=sized("weight", MASS_KG),
        thickness_cm=sized("thickness", LENGTH_CM),
        layers=None if layers is None else int(layers),
        n_ics=None if ics is None else int(ics),
        fab_yield=None
        if body.get("fab_yield") is None
        else _share(body["fab_yield"], f"{where}.fab_yield", file),
        fab_ci=None if body.get("fab_ci") is None else str(body["fab_ci"]).strip(),
        gpa_pct=None if body.get("gpa") is None else abatement(body["gpa"], f"{where}.gpa"),
        quantity=counted("quantity"),
    )


def _plain(group: Group, name: str, body: Mapping[str, Any], file: str | None, where: str) -> Part:
    """A part by its factor's key, or a leg of transport; every key has to be there."""
    for key in _KEYS[group]:
        if body.get(key) is None:
            raise ConfigError("is missing.", file=file, key=f"{where}.{key}", fix="Write it.")
    if group == "transport":
        return Part(
            name=name,
            group=group,
            kind=str(body["means"]).strip().lower(),
            mass_kg=size(body["weight"], MASS_KG, f"{where}.weight", file),
            quantity=size(body["distance"], DISTANCE_KM, f"{where}.distance", file),
        )
    amount = body["amount"]
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0.0 < amount < math.inf:
        raise ConfigError(
            f"{amount!r} is not an amount.",
            file=file,
            key=f"{where}.amount",
            fix="Write a number more than zero.",
        )
    return Part(name=name, group=group, kind="part", type=str(body["factor"]).strip(), quantity=float(amount))


def _kind(group: Group, body: Mapping[str, Any], file: str | None, where: str) -> str:
    if group == "silicon":
        model = str(body.get("model", "logic")).strip().lower()
        if model != "logic" and model not in KINDS:
            raise ConfigError(
                f"no model {model!r}.",
                file=file,
                key=f"{where}.model",
                fix=did_you_mean(model, ["logic", *KINDS]),
            )
        return model
    category = str(body.get("category", "")).strip().lower()
    category = "aluminum" if category == "aluminium" else category
    if category not in _CATEGORIES[group]:
        raise ConfigError(
            f"no category {category!r}.",
            file=file,
            key=f"{where}.category",
            fix=did_you_mean(category, _CATEGORIES[group]),
        )
    return category


def _type(value: object, key: str, file: str | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigError(
            f"{value!r} is a number; a type is a name.", file=file, key=key, fix="Put it in quotes: '0402'."
        )
    return value.strip().lower()


def _count(value: object, key: str, file: str | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
        raise ConfigError(f"{value!r} is not a count.", file=file, key=key, fix="Write a whole number.")
    return float(value)


def _share(value: object, key: str, file: str | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{value!r} is not a share.", file=file, key=key, fix="Write a number up to 1.")
    return yield_of(float(value), key)


def _known(body: Mapping[str, Any], keys: tuple[str, ...], file: str | None, where: str | None) -> None:
    for key in body:
        if key not in keys:
            raise ConfigError(
                f"no key {key!r} is known here.",
                file=file,
                key=f"{where}.{key}" if where else str(key),
                fix=did_you_mean(str(key), keys),
            )


def _table(value: object, file: str | None, key: str | None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError("is not a table of keys and values.", file=file, key=key)
    return value
