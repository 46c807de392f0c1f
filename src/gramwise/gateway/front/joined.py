"""Nodes that joined through the control API, in a file of the state folder, so that a restart finds them again.

Tokens of nodes may stand in it, so nobody but its user may open it. It is written whole under another name and then put
in place: what kills the process leaves the old file or the new one.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from gramwise.core.errors import ConfigError
from gramwise.fleet.rows import NodeTable
from gramwise.gateway.access.redaction import hide

SCHEMA = "gramwise.joined/1"
FILE = "joined.json"
"""Its name in the state folder."""

_FIX = "Mend it, or move it away to start without the nodes that joined."


@dataclass(frozen=True, slots=True)
class Joined:
    """A node that joined: as a scenario would have it, and the token that it asks for, if any."""

    table: NodeTable
    token: SecretStr | None = None


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    node: NodeTable
    token: SecretStr | None = None


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    schema_: str
    nodes: dict[str, _Entry]


def read_joined(file: Path) -> dict[str, Joined]:
    """The nodes in a file, by name; none where there is no such file. Tokens are hidden in logs from now on.

    Raises:
        ConfigError: it cannot be read, others may open it, or it is not what `write_joined` writes; it stays as it is.
    """
    try:
        with file.open("rb") as opened:
            mode, raw = os.fstat(opened.fileno()).st_mode, opened.read()
    except FileNotFoundError:
        return {}
    except OSError as fault:
        raise ConfigError(f"cannot be read: {fault.strerror}.", file=file, fix=_FIX) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            "others on this machine may open the nodes' tokens.", file=file, fix=f"Write: chmod 600 {file}"
        )
    try:
        told = json.loads(raw)
        if isinstance(told, dict):
            told["schema_"] = told.pop("schema", None)
        document = _Document.model_validate(told)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in first["loc"]).replace("schema_", "schema")
        raise ConfigError(f"{first['msg']}.", file=file, key=key, fix=_FIX) from None
    except (ValueError, RecursionError):
        raise ConfigError("is no JSON of the nodes that joined.", file=file, fix=_FIX) from None
    if document.schema_ != SCHEMA:
        raise ConfigError(f"{document.schema_!r} is not {SCHEMA}.", file=file, key="schema", fix=_FIX)
    for entry in document.nodes.values():
        if entry.token is not None:
            hide(entry.token.get_secret_value())
    return {name: Joined(entry.node, entry.token) for name, entry in document.nodes.items()}


def write_joined(file: Path, nodes: Mapping[str, Joined]) -> None:
    """Replace the file by these nodes.

    Raises:
        ConfigError: it cannot be written; the old one stays.
    """
    told: dict[str, Any] = {
        name: {
            "node": each.table.model_dump(mode="json", exclude_unset=True),
            "token": None if each.token is None else each.token.get_secret_value(),
        }
        for name, each in nodes.items()
    }
    text = json.dumps({"schema": SCHEMA, "nodes": told}, indent=1)
    new = file.with_name(f"{file.name}.new")
    try:
        new.unlink(missing_ok=True)
        made = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(made, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        new.replace(file)
    except OSError as fault:
        raise ConfigError(
            f"cannot be written: {fault.strerror}.", file=file, fix="Make room, or name another --state."
        ) from None
