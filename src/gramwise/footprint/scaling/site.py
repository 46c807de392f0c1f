"""The share of a datacentre's construction that a job owes, by the IT power it occupies and how long.

``C_job = C_site / (site_life IT_capacity) IT_power hours``. No construction figure was found that could be a
default: it is the user's, and an account without it says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from gramwise.core.footprint import Factor, Phase
from gramwise.footprint.bill import Line
from gramwise.footprint.reading import Table

from .account import Account, merge
from .amortise import HOURS_PER_YEAR
from .phases import OPERATIONAL, Array, Value

OMITTED = "construction of the datacentre ([[footprint.sites]] with construction_g)"
_KEYS = ("name", "serves", "construction_g", "lifetime_years", "it_capacity_w", "it_power_w", "hours")


def construction_g(
    site_g: Value,
    site_life_h: Value,
    it_capacity_w: Value,
    it_power_w: float,
    hours: float,
) -> Array:
    """What a job owes for the site it stands in, g.

    Args:
        site_g: construction of the whole site, g.
        site_life_h: years it stands, in hours.
        it_capacity_w: IT power it was built for, W.
        it_power_w, hours: of the job, W and h. Scalars or arrays that broadcast.
    """
    return np.asarray(site_g / (np.asarray(site_life_h) * it_capacity_w) * (it_power_w * hours))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A datacentre and what a job occupies of it.

    Attributes:
        name, serves: as in `Hardware`.
        construction_g: of the whole site, g.
        lifetime_years: of the site.
        it_capacity_w: of the site, W.
        it_power_w, hours: that the job reserves, W and h.
    """

    name: str
    serves: Phase
    construction_g: Factor
    lifetime_years: Factor
    it_capacity_w: Factor
    it_power_w: float
    hours: float

    @classmethod
    def from_mapping(
        cls, raw: Mapping[str, Any], where: str = "footprint.sites", file: str | Path | None = None
    ) -> Site:
        """Read a ``[[footprint.sites]]`` table; all its keys are required.

        Raises:
            ConfigError: a key that is unknown, missing or out of range; more power or hours than the site has.
        """
        t = Table(raw, where, _KEYS, file)
        name = t.text("name")
        site = cls(
            name=name,
            serves=cast(Phase, t.choice("serves", OPERATIONAL)),
            construction_g=t.factor("construction_g", f"site.{name}.construction_g", "g"),
            lifetime_years=t.factor("lifetime_years", f"site.{name}.lifetime_years", "year"),
            it_capacity_w=t.factor("it_capacity_w", f"site.{name}.it_capacity_w", "W"),
            it_power_w=t.exact("it_power_w"),
            hours=t.exact("hours"),
        )
        if site.it_power_w > site.it_capacity_w.value:
            raise t.fault("it_power_w", "the job needs more than the site has.", "Check it_capacity_w.")
        if site.hours > site.lifetime_years.value * HOURS_PER_YEAR:
            raise t.fault("hours", "the job outlasts the site.", "Check lifetime_years.")
        return site


def site_lines(sites: Sequence[Site]) -> Account:
    """Construction as lines of a bill; without a site, an account that names what it leaves out."""
    if not sites:
        return Account([], [], [OMITTED], {})
    return merge(_account(site) for site in sites)


def _account(site: Site) -> Account:
    whole, life, capacity = site.construction_g, site.lifetime_years, site.it_capacity_w
    line = Line(
        name=f"{site.name}, built",
        phase="datacentre",
        factors=(whole.key, life.key, capacity.key),
        carbon_g=lambda v: construction_g(
            v[whole.key],
            np.asarray(v[life.key]) * HOURS_PER_YEAR,
            v[capacity.key],
            site.it_power_w,
            site.hours,
        ),
    )
    return Account([line], [whole, life, capacity], [], {line.name: site.serves})
