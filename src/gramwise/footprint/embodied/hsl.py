"""Devices by functional blocks and hardware specification levels, where no bill of materials is known.

Pirson and Bol (2021) give, for each block of a connected object (processing, memory, board, ...), up to four levels
and the least, typical and greatest quantities that a level stands for. A block's figure is that of the typical
quantity; its interval scales it to the least and greatest, in the quantity that the table's note names. It is the
least certain of the three tiers: the authors found their bottom-up totals to be about half of what vendors report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor
from gramwise.footprint.embodied.parts import Priced, checked, multiplied, part_factor, priced
from gramwise.footprint.factors import table

TABLE = "embodied_hsl"
ACCOUNT = "hsl.account"
"""Key of the factor between accounts: 1 as published, less if dies are ACT's, up to 2 for what a list leaves out."""
NIL = frozenset(
    {"actuators.0", "casing.0", "connectivity.0", "memory.0", "security.0", "sensing.0", "user_interface.0"}
)
"""Levels that stand for nothing, or for something counted inside the processing block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A functional block at a level, ``units`` times."""

    type: str
    level: int
    units: float = 1.0

    @property
    def key(self) -> str:
        """As in the table: ``"processing.2"``."""
        return f"{self.type}.{self.level}"


def block(type_: str, level: str | int, units: float = 1.0, key: str = "functional_blocks") -> Block:
    """A block, checked.

    Args:
        type_: ``"processing"`` and so on.
        level: ``"HSL-2"`` or 2.
        units: how many; more than zero.
        key: to name in errors.

    Raises:
        ConfigError: an unknown type or level; names the key.
    """
    kind = type_.strip().lower()
    if kind not in types():
        raise ConfigError(f"no block {type_!r}.", key=f"{key}.type", fix=did_you_mean(kind, types(), 20))
    found = re.fullmatch(r"(?:hsl-)?([0-3])", str(level).strip().lower())
    made = Block(
        type=kind, level=int(found[1]) if found else -1, units=checked(units, f"{key}.units", zero=False)
    )
    if found is None or (made.key not in NIL and f"hsl.{made.key}" not in table(TABLE)):
        levels = [
            k.rsplit(".", 1)[1] for k in [*table(TABLE), *NIL] if re.fullmatch(rf"(hsl\.)?{kind}\.\d", k)
        ]
        raise ConfigError(
            f"the block {kind!r} has no level {level!r}.",
            key=f"{key}.hsl_level",
            fix="Write one of: " + ", ".join(f"HSL-{n}" for n in sorted(set(levels))) + ".",
        )
    return made


def types() -> tuple[str, ...]:
    """Every type of block, in the table's order."""
    return tuple(dict.fromkeys(k.split(".")[1] for k in table(TABLE) if k.startswith("hsl_eol.")))


def read_blocks(blocks: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Blocks from tables with ``type``, ``hsl_level`` and maybe ``units``.

    Raises:
        ConfigError: an unknown key, type or level, or a missing one; names it.
    """
    read = []
    for number, body in enumerate(blocks):
        key = f"functional_blocks[{number}]"
        for name in body:
            if name not in {"type", "hsl_level", "units"}:
                fix = did_you_mean(name, ["type", "hsl_level", "units"])
                raise ConfigError(f"no key {name!r} is known here.", key=key, fix=fix)
        for name in ("type", "hsl_level"):
            if body.get(name) is None:
                raise ConfigError("is missing.", key=f"{key}.{name}", fix="Write it.")
        read.append(block(str(body["type"]), body["hsl_level"], float(body.get("units", 1)), key))
    return read


def archetypes() -> tuple[str, ...]:
    """Names of the published use cases."""
    return tuple(dict.fromkeys(k.split(".")[1] for k in table(TABLE) if k.startswith("archetype.")))


def archetype(name: str) -> list[Block]:
    """The blocks of a published use case.

    Raises:
        ConfigError: no such use case; names the nearest.
    """
    rows = {k.split(".")[2]: f for k, f in table(TABLE).items() if k.startswith(f"archetype.{name}.")}
    if not rows:
        raise ConfigError(f"no archetype {name!r}.", key="archetype", fix=did_you_mean(name, archetypes()))
    return [block(kind, int(f.value)) for kind, f in rows.items()]


def published(made: Block) -> tuple[Factor, ...]:
    """A block's published factors: making and end of life, kg/block; none for a level that stands for nothing."""
    if made.key in NIL:
        return ()
    return table(TABLE)[f"hsl.{made.key}"], table(TABLE)[f"hsl_eol.{made.key}"]


def lines(blocks: Iterable[Block]) -> list[Priced]:
    """Lines of the own method: making and end of life of each block, with the interval of its level.

    All blocks share one more factor, `ACCOUNT`, since the levels' quantities are not what is least certain here. One
    figure differs from the published adaptation: a microphone (sensing HSL-1, published as nil) is MicroGreen's.
    """
    made = []
    for one in blocks:
        rows = published(one)
        if not rows:
            continue
        making, scrapping = rows
        if one.key == "sensing.1":
            making = part_factor("sensor.microphone")
        label = f"{one.type.replace('_', ' ')} HSL-{one.level}"
        made.append(priced(label, one.units, making))
        if scrapping.value > 0.0:
            made.append(priced(label, one.units, scrapping, phase="end-of-life"))
    account = table(TABLE)[ACCOUNT]
    return [multiplied(item, account) for item in made]
