"""The scaling part of a scenario's ``[footprint]`` table: phases, hardware, sites and renewals, read together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError
from gramwise.core.series import Series
from gramwise.footprint.reading import Table

from .account import Account, merge
from .amortise import Hardware, hardware_lines
from .intensity import Intensity
from .operating import phase_lines
from .phases import PhaseSpec
from .replacing import Renewal
from .site import Site, site_lines

KEYS = ("phases", "hardware", "sites", "renewal")
NO_HARDWARE = "making, bringing and scrapping of the machines that phases ran on ([[footprint.hardware]])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What a scenario says of a model's life at scale. Renewals are questions of their own and stand in no bill."""

    phases: tuple[PhaseSpec, ...] = ()
    hardware: tuple[Hardware, ...] = ()
    sites: tuple[Site, ...] = ()
    renewal: tuple[Renewal, ...] = ()

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], file: str | Path | None = None) -> Scaling:
        """Read the tables under `KEYS`.

        Args:
            raw: ``{"phases": [...], "hardware": [...], "sites": [...], "renewal": [...]}``, each optional.
            file: for errors.

        Raises:
            ConfigError: another key, or a fault in one of the tables, with its place.
        """
        Table(raw, "footprint", KEYS, file)

        def rows(key: str) -> list[tuple[Mapping[str, Any], str]]:
            return [(row, f"footprint.{key}[{i}]") for i, row in enumerate(_tables(raw, key, file))]

        return cls(
            phases=tuple(PhaseSpec.from_mapping(row, at, file) for row, at in rows("phases")),
            hardware=tuple(Hardware.from_mapping(row, at, file) for row, at in rows("hardware")),
            sites=tuple(Site.from_mapping(row, at, file) for row, at in rows("sites")),
            renewal=tuple(Renewal.from_mapping(row, at, file) for row, at in rows("renewal")),
        )

    def account(self, zones: Mapping[str, Intensity | Series] | None = None) -> Account:
        """All of it but the renewals, as lines for a bill.

        Args:
            zones: as for `gramwise.footprint.scaling.operating.phase_lines`.

        Raises:
            ConfigError: two lines of one name.
            MixedKinds: phases with intensities of different kinds.
        """
        hardware = hardware_lines(self.hardware)
        if self.phases and not self.hardware:
            hardware.not_included.append(NO_HARDWARE)
        return merge((phase_lines(self.phases, zones), hardware, site_lines(self.sites)))


def _tables(raw: Mapping[str, Any], key: str, file: str | Path | None) -> list[Mapping[str, Any]]:
    found = raw.get(key, [])
    if not isinstance(found, list | tuple):
        raise ConfigError(
            "this must be a list of tables.",
            file=file,
            key=f"footprint.{key}",
            fix=f"Write [[footprint.{key}]].",
        )
    return list(found)
