"""Memory and storage: kilograms per gigabyte by technology, over the yield for bare dies (ACT, ISCA 2022).

::

    C = capacity x CPS(technology) / Y + packages x 0.15 kg
"""

from __future__ import annotations

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.footprint import Factor
from gramwise.footprint.bill import Line
from gramwise.footprint.embodied.dies import Fab, yield_factor
from gramwise.footprint.embodied.parts import GRAMS_PER_KG, TABLE, Priced, checked, part_factor, priced
from gramwise.footprint.factors import table

KINDS = {"dram": "dram", "flash": "nand", "ssd": "nand", "nand": "nand", "hdd": "hdd"}
"""Model names as written in bills of materials, and the group of the table that holds their technologies."""


def technology(model: str, process: str, key: str = "process") -> Factor:
    """Kilograms per GB of a technology, before yield.

    Args:
        model: ``"dram"``, ``"flash"`` (also ``"nand"``, ``"ssd"``) or ``"hdd"``.
        process: its name, in any case and spelt with or without spaces: ``"lpddr4"``, ``"nand_30nm"``, ``"BarraCuda"``.
        key: to name in an error.

    Raises:
        ConfigError: no such model or technology; names the nearest.
    """
    group = KINDS.get(model.strip().lower())
    if group is None:
        raise ConfigError(f"{model!r} is not a memory.", key=key, fix=did_you_mean(model, KINDS))
    names = {_plain(k.split(".", 1)[1]): f for k, f in table(TABLE).items() if k.startswith(f"{group}.")}
    found = names.get(_plain(process))
    if found is None:
        shown = [k.split(".", 1)[1] for k in table(TABLE) if k.startswith(f"{group}.")]
        raise ConfigError(
            f"no {model} technology {process!r} is known.",
            key=key,
            fix=did_you_mean(process.lower(), shown, 20),
        )
    return found


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def memory(
    name: str, model: str, process: str, capacity_gb: float, yield_frac: float | None = None
) -> Priced:
    """The line of one memory: capacity times kilograms per GB over the yield; packages are lines of their own.

    Args:
        name: of the line.
        model, process: as in `technology`.
        capacity_gb: more than zero.
        yield_frac: of the dies; None for the table's default. What was rated as a product (``hdd.*``, ``nand.vendor``,
            drives by name) has no yield: it is counted in.

    Raises:
        ConfigError: as `technology`; a capacity or yield that makes no sense.
    """
    price = technology(model, process, f"{name}.process")
    size = checked(capacity_gb, f"{name}.capacity", zero=False)
    if yield_frac is None and "before yield" not in price.source:
        return priced(name, size, price)
    good = yield_factor(name, Fab(yield_frac=yield_frac))
    return Priced(
        line=Line(
            name=name,
            phase="manufacture",
            factors=(price.key, good.key),
            carbon_g=lambda f: size * f[price.key] * GRAMS_PER_KG / f[good.key],
        ),
        factors=(price, good),
    )


def packages(name: str, count: int) -> Priced:
    """The packages of a part: ``count`` times the figure for one."""
    return priced(name, checked(float(count), f"{name}.n_ics"), part_factor("package.ic"))
