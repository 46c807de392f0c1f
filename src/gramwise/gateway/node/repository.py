"""The folder of models, ``<model>/<version>/model.onnx`` as Triton has it, and what of it is loaded.

One broken model takes none of the others away: it is named in the log and in every answer about it. A file that was
changed and cannot be loaded leaves what was there. `Repository.reload` works in a thread beside the serving: what
clients see is one table, replaced as a whole.

Source of the layout: Triton Inference Server, "Model Repository".
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from gramwise.core.errors import ConfigError, ModelError, did_you_mean
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.paths import checked_name

from .model import Model

_log = logging.getLogger("gramwise.gateway.node")

FILE = "model.onnx"

Stamp: TypeAlias = tuple[int, int]
"""Newest time of change (nanoseconds) and size of a version's files: the same stamp means the same model."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a model as it was found.

    Attributes:
        stamp: of its files; None when they cannot be read.
        model: None when it could not be loaded.
        fault: why not; empty otherwise.
    """

    stamp: Stamp | None
    model: Model | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One model.

    Attributes:
        versions: by number, newest first.
        remark: what is wrong with its folder as a whole; empty for nothing.
    """

    versions: Mapping[int, Version] = field(default_factory=dict)
    remark: str = ""

    @property
    def served(self) -> list[str]:
        """The versions that can infer, oldest first, as clients name them."""
        return [str(number) for number in sorted(self.versions) if self.versions[number].model]

    @property
    def fault(self) -> str:
        """Why no version can infer; empty when one can."""
        if self.served:
            return ""
        return next((v.fault for v in self.versions.values()), self.remark)


class NotLoaded(BadRequest):
    """A model that is in the repository and cannot infer. Asking again does not help, so it is none of 503's faults."""


class Repository:
    """A folder of models.

    Args:
        folder: of the models.
        most_models: folders that are looked at.
        load: makes a model of name, version and file.

    Raises:
        ConfigError: there is no such folder.
    """

    def __init__(
        self, folder: Path, *, most_models: int = 1024, load: Callable[[str, str, Path], Model] = Model
    ) -> None:
        self.folder, self._most_models, self._load = folder, most_models, load
        self._table: Mapping[str, Entry] = MappingProxyType({})
        self._lock = threading.Lock()
        if not folder.is_dir():
            raise ConfigError(
                "there is no such folder.",
                file=folder,
                key="REPOSITORY",
                fix="Pass a folder that holds MODEL/VERSION/model.onnx, for instance digits/1/model.onnx.",
            )

    def model(self, name: str, version: str = "") -> Model:
        """A model that can infer.

        Args:
            name: as the folder is called.
            version: empty for the newest that can infer.

        Raises:
            BadRequest: 404, no such model or version; `NotLoaded`, 404 too, where it is there and could not be loaded.
        """
        entry = self._entry(name)
        if not version:
            for found in entry.versions.values():
                if found.model is not None:
                    return found.model
            raise NotLoaded(404, f"model {name!r} is not ready: {entry.fault or 'it has no version'}")
        known = entry.versions.get(int(version)) if version.isdecimal() and len(version) < 19 else None
        if known is None:
            numbers = ", ".join(str(number) for number in entry.versions) or "none"
            raise BadRequest(404, f"model {name!r} has no version {version[:40]!r}; it has {numbers}")
        if known.model is None:
            raise NotLoaded(404, f"model {name!r} version {version} is not ready: {known.fault}")
        return known.model

    def versions(self, name: str) -> list[str]:
        """The versions of a model that can infer, oldest first.

        Raises:
            BadRequest: 404, no such model.
        """
        return self._entry(name).served

    def index(self) -> Iterator[dict[str, str]]:
        """Every version of every model: name, version, state (``READY`` or ``UNAVAILABLE``) and reason."""
        for name, entry in sorted(self._table.items()):
            for number, version in sorted(entry.versions.items()):
                state = "READY" if version.model else "UNAVAILABLE"
                yield {"name": name, "version": str(number), "state": state, "reason": version.fault}
            if not entry.versions:
                yield {"name": name, "version": "", "state": "UNAVAILABLE", "reason": entry.remark}

    def names(self) -> list[str]:
        """Models that can infer."""
        return sorted(name for name, entry in self._table.items() if entry.served)

    def reload(self) -> None:
        """Look at the folder again: load what is new or changed, forget what is gone. Blocks while it loads."""
        with self._lock:
            self._replace({name: self._read(name) for name in self._folders()})

    def load(self, name: str) -> None:
        """Look at one model's folder again. Blocks while it loads.

        Raises:
            BadRequest: 404, there is no such folder; 503, nothing in it can be loaded.
        """
        checked_name(name, "model")
        with self._lock:
            if name not in self._folders():
                raise BadRequest(404, f"the repository has no folder {name[:40]!r}")
            entry = self._read(name)
            self._replace({**self._table, name: entry})
        if entry.fault:
            raise BadRequest(503, f"model {name!r} is not ready: {entry.fault}")

    def unload(self, name: str) -> None:
        """Serve a model no more, until it is loaded or everything is reloaded. Requests in progress end well.

        Raises:
            BadRequest: 404, no such model.
        """
        with self._lock:
            self._entry(name)
            self._replace({**self._table, name: Entry(remark="it was unloaded")})

    def _entry(self, name: str) -> Entry:
        entry = self._table.get(name)
        if entry is None:
            raise BadRequest(
                404, f"model {name[:40]!r} not found. {did_you_mean(name[:40], self._table)}".strip()
            )
        return entry

    def _replace(self, table: Mapping[str, Entry]) -> None:
        self._table = MappingProxyType(dict(table))

    def _folders(self) -> list[str]:
        try:
            found = sorted(
                path.name for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith(".")
            )
        except OSError as fault:
            raise ConfigError(
                f"it cannot be read: {(fault.strerror or str(fault)).lower()}.",
                file=self.folder,
                key="REPOSITORY",
            ) from fault
        if len(found) > self._most_models:
            _log.warning(
                "the repository has %d models; the first %d are served", len(found), self._most_models
            )
        return found[: self._most_models]

    def _read(self, name: str) -> Entry:
        try:
            checked_name(name, "model")
        except BadRequest as fault:
            return self._broken(name, fault.sentence)
        old = self._table.get(name, Entry()).versions
        folder = self.folder / name
        if (folder / "config.pbtxt").exists():
            _log.info(
                "model %s: config.pbtxt is not read; inputs and outputs are those of the ONNX file", name
            )
        numbers = sorted(_numbers(folder), reverse=True)
        if not numbers:
            return self._broken(name, f"it has no folder VERSION/{FILE} with a number above 0 as VERSION")
        return Entry({number: self._version(name, number, old.get(number)) for number in numbers})

    def _broken(self, name: str, why: str) -> Entry:
        _log.warning("model %s: %s", name, why)
        return Entry(remark=why)

    def _version(self, name: str, number: int, old: Version | None) -> Version:
        file = self.folder / name / str(number) / FILE
        try:
            stamp = _stamp(file)
            if old is not None and old.stamp == stamp:
                return old
            loaded = Version(stamp, self._load(name, str(number), file))
        except (OSError, ModelError) as fault:
            why = self._reason(fault, file)
            _log.warning("model %s version %d cannot be loaded: %s", name, number, why)
            if old is not None and old.model is not None and file.exists():
                return old
            return Version(None, None, why)
        _log.info("model %s version %d is loaded", name, number)
        return loaded

    def _reason(self, fault: Exception, file: Path) -> str:
        """The fault for clients, who are told nothing of the machine's folders."""
        if isinstance(fault, FileNotFoundError):
            return f"{FILE} is missing"
        text = fault.strerror or "" if isinstance(fault, OSError) else str(fault)
        for path in {str(file), str(file.resolve()), str(file.absolute())}:
            text = text.replace(path, FILE)
        return text[:500]


def _stamp(file: Path) -> Stamp:
    """Of the model's file and of those beside it, where weights may lie."""
    about = [file.stat(), *(path.stat() for path in file.parent.iterdir() if path.is_file())]
    return max(each.st_mtime_ns for each in about), sum(each.st_size for each in about)


def _numbers(folder: Path) -> Iterable[int]:
    """Version numbers: folders with a number above 0 and no leading zero, as Triton has it."""
    try:
        for path in folder.iterdir():
            if path.name.isascii() and path.name.isdecimal() and path.name[0] != "0" and path.is_dir():
                yield int(path.name)
    except OSError:
        return
