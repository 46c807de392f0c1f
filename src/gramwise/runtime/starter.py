"""The scenario that ``gramwise init`` writes: for the machine it runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from gramwise.core import plugins
from gramwise.core.errors import ConfigError
from gramwise.fleet.scenario import template
from gramwise.runtime.caps import core_count


def write_starter(path: Path, *, zone: str | None, force: bool) -> dict[str, Any]:
    """Write a commented scenario.

    Args:
        path: file to write.
        zone: grid zone of this machine; None leaves a marked placeholder.
        force: replace what is there.

    Returns:
        What was found of this machine, with ``schema`` and ``path``.

    Raises:
        ConfigError: unknown zone, a file that is already there, or one that cannot be written.
    """
    if zone is not None:
        zone = plugins.create("intensity", "annual").intensity(zone).zone
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = template(host=platform.node(), cores=core_count(), memory_bytes=memory_bytes, zone=zone)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as fault:
        raise ConfigError(
            "is already there and was left as it is.", file=path, fix="Name another file, or add --force."
        ) from fault
    except OSError as fault:
        raise ConfigError(
            f"cannot be written: {fault.strerror}.", file=path, fix="Name another file."
        ) from fault
    return {
        "schema": "gramwise.init/1",
        "path": str(path),
        "host": platform.node(),
        "cores": core_count(),
        "memory_bytes": memory_bytes,
        "zone": zone,
    }
