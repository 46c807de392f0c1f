"""The raw settings of a scenario: the file, beaten by the environment, beaten by what the caller passes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError, did_you_mean

PREFIX = "GRAMWISE_"


def layered(
    path: Path, sections: Iterable[str], environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings, and where those came from that are not the file's.

    Args:
        path: the TOML file.
        sections: the top-level keys there are.
        environ: variables; ``GRAMWISE_<SECTION>__<KEY>`` count, those without ``__`` do not.
        overrides: values by dotted key.

    Returns:
        Nested settings; origin by dotted key.

    Raises:
        ConfigError: unreadable file, not TOML, or a variable or override for a section that does not exist.
    """
    raw = _read(path)
    origins: dict[str, str] = {}
    for name in sorted(environ):
        if name.startswith(PREFIX) and "__" in name:
            _put(raw, name.removeprefix(PREFIX).split("__"), _value(environ[name]), name, sections, origins)
    for key, value in overrides.items():
        _put(raw, key.split("."), value, f"override {key}", sections, origins)
    return raw, origins


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such file.", file=path, fix="Write one with: gramwise init " + path.name
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            f"this is not TOML: {error}.", file=path, fix="Correct that line; text stands in quotes."
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"this is not UTF-8 text: byte {error.start}.", file=path, fix="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"it cannot be read: {(error.strerror or str(error)).lower()}.",
            file=path,
            fix="Pass the path of a TOML file that you may read.",
        ) from error


def _put(
    raw: dict[str, Any],
    parts: list[str],
    value: Any,
    origin: str,
    sections: Iterable[str],
    origins: dict[str, str],
) -> None:
    """Set one nested value. Names are matched as the file has them, whatever their case and dashes."""
    table, path = raw, list[str]()
    for position, part in enumerate(parts):
        known = list(table) if position else sorted({*sections, *table})
        name = next(
            (key for key in known if _folded(key) == _folded(part)), part.lower() if part.isupper() else part
        )
        if not position and name not in known:
            raise ConfigError(
                f"there is no section {name!r}.", file=origin, fix=did_you_mean(name, sections, 20)
            )
        path.append(name)
        if position == len(parts) - 1:
            table[name] = value
        else:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError("this is a value, not a table.", file=origin, key=".".join(path))
    origins[".".join(path)] = origin


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _value(text: str) -> Any:
    """A variable's text as TOML reads it; what TOML cannot read is the text itself."""
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return read["value"] if list(read) == ["value"] else text
