"""The file of a profile: what a network took, piece by piece, on the nodes of a scenario (``gramwise.profile/1``).

It holds what was timed and nothing that was worked out from it, so that a better reading of the same figures needs no
new run. `gramwise.runtime.layerprofile` writes it and `gramwise.runtime.layercosts` reads it. docs/method/profile.md
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gramwise.core.errors import ConfigError, did_you_mean
from gramwise.core.quantity import Quantity
from gramwise.fleet.scenario import Scenario
from gramwise.power.roofline import Roof

SCHEMA = "gramwise.profile/1"


class Spread(msgspec.Struct, frozen=True):
    """Median, least and greatest of several runs."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value, in seconds; written to the nanosecond, which is what clocks give."""
        return cls(*(round(value, 9) for value in (statistics.median(values), min(values), max(values))))


class Timed(msgspec.Struct, frozen=True):
    """Pieces ``first`` to ``last``, inclusive, as one model: thread CPU seconds and wall seconds of a run."""

    first: int
    last: int
    cpu_s: Spread
    wall_s: Spread
    runs: int


class Part(msgspec.Struct, frozen=True):
    """A piece: the layers between two neighbouring cuts of one tensor each, and what enters and leaves."""

    layers: list[str]
    inputs: list[str]
    outputs: list[str]
    receive_bytes: int
    send_bytes: int


class NodeTimes(msgspec.Struct, frozen=True):
    """What one node took.

    Attributes:
        cpu_share: as the scenario had it.
        caps: how the node was held to it.
        pieces: each by itself; null where it does not fit the node's memory.
        longest: as few models as fit the memory, one after the other; one that covers every piece is the whole.
        between: the same pieces in models of several, cut at some of the tensors.
        stretch: wall seconds of a CPU second over many runs without a pause.
        stretch_of: what ran for ``stretch``, in words.
        rested: the same, but each run after a rest: what a quota has saved up by then runs at full speed.
    """

    cpu_share: float
    caps: str
    pieces: list[Timed | None]
    longest: list[Timed]
    between: list[list[Timed]]
    stretch: float
    stretch_of: str
    rested: Timed

    @property
    def saved_s(self) -> float:
        """Wall seconds that a run after a rest is shorter than one among others: what the quota had saved up.

        A declared virtual speed saves nothing.
        """
        if self.caps == "virtual":
            return 0.0
        return max(0.0, self.stretch * self.rested.cpu_s.median - self.rested.wall_s.median)

    @property
    def whole(self) -> Timed | None:
        """The whole model, where it fits."""
        return self.longest[0] if len(self.longest) == 1 and _covers(self.longest[0], self.pieces) else None


class Hop(msgspec.Struct, frozen=True):
    """Passing a tensor from node to node through the executor, without what the model itself takes.

    Attributes:
        sender, receiver: nodes.
        sizes_bytes: of the tensors.
        both_s, alone_s: for each of them, by way of both nodes and on the second alone, without the models.
        hop_s: lower quartile of the one less that of the other.
        runs: of each.
        fixed_s, s_per_byte: the line through ``hop_s``.
    """

    sender: str
    receiver: str
    sizes_bytes: list[int]
    both_s: list[Spread]
    alone_s: list[Spread]
    hop_s: list[float]
    runs: int
    fixed_s: float
    s_per_byte: float


class Rates(msgspec.Struct, frozen=True):
    """Rates of one CPU of the machine, measured beside, by which layers share the time of a piece."""

    flop_per_s: dict[str, float]
    bytes_per_s: float

    def roof(self) -> Roof:
        """As the roofline takes them."""
        return Roof(
            flop_per_s={name: _measured(value, "FLOP/s") for name, value in self.flop_per_s.items()},
            bytes_per_s=_measured(self.bytes_per_s, "byte/s"),
        )


class ProfileFile(msgspec.Struct, frozen=True):
    """The whole document.

    Attributes:
        schema: `SCHEMA`.
        model, variant: as the scenario calls them, or the file's name.
        digest: SHA-256 of the model file.
        count: inferences a run.
        level: of onnxruntime's graph optimisation.
        machine, onnxruntime, gramwise, made: where, with what and when (UTC).
        rates: of that machine.
        pieces: in run order.
        nodes: by name.
        hop: None with a single node.
    """

    schema: str
    model: str
    variant: str
    digest: str
    count: int
    level: str
    machine: str
    onnxruntime: str
    gramwise: str
    made: str
    rates: Rates
    pieces: list[Part]
    nodes: dict[str, NodeTimes]
    hop: Hop | None


def profile_path(scenario: Scenario, model: str, digest: str) -> Path:
    """Where a profile is written and looked for unless another place is named: beside the scenario, named after both.

    The model's digest is in the name, so two models, or two forms of one, never share a file.
    """
    return scenario.path.parent / f"{scenario.path.stem}-{model}-{digest[:8]}.profile.json"


def read_profile(path: str | Path, digest: str, nodes: Sequence[str]) -> ProfileFile:
    """Read a profile and check that it is one of this model on these nodes.

    Args:
        path: the file.
        digest: of the model.
        nodes: names that must be in it.

    Raises:
        ConfigError: missing, not a profile, of another version, of another model, or without some node.
    """
    file = Path(path)
    profile = _read(file)
    if profile.digest != digest:
        raise ConfigError(
            f"this is a profile of {profile.model}/{profile.variant} with the digest {profile.digest[:12]}; the model"
            f" asked for has {digest[:12]}.",
            file=file,
            key="digest",
            fix="Profile this model: gramwise profile MODEL --scenario SCENARIO.",
        )
    missing = [name for name in nodes if name not in profile.nodes]
    if missing:
        raise ConfigError(
            f"it has no figures for {', '.join(missing)}, only for {', '.join(profile.nodes)}.",
            file=file,
            key="nodes",
            fix="Profile the model on this scenario: gramwise profile MODEL --scenario SCENARIO.",
        )
    return profile


def write_profile(profile: ProfileFile, path: Path) -> None:
    """Write a profile, whole or not at all.

    Raises:
        ConfigError: something else stands there, a profile of another model among it, or the place cannot be written.
    """
    check_place(path, profile.digest)
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(profile), indent=1) + b"\n")
        draft.replace(path)
    except OSError as fault:
        draft.unlink(missing_ok=True)
        raise ConfigError(
            f"the profile cannot be written: {(fault.strerror or str(fault)).lower()}.",
            file=path,
            fix="Name another file with --out.",
        ) from fault


def check_place(path: Path, digest: str) -> None:
    """Refuse to replace anything but a profile of the same model. Ask before minutes are spent on measuring.

    Raises:
        ConfigError: something else stands there, or there is no such folder.
    """
    if not path.parent.is_dir():
        raise ConfigError("there is no such folder.", file=path.parent, fix="Make it, or name another --out.")
    if not path.exists():
        return
    try:
        there = _read(path)
    except ConfigError as fault:
        raise ConfigError(
            "this file is there and is not a profile, so it was left as it is.",
            file=path,
            fix="Name another file with --out, or remove it.",
        ) from fault
    if there.digest != digest:
        raise ConfigError(
            f"this file is there and is a profile of another model, {there.model}/{there.variant}.",
            file=path,
            fix="Name another file with --out, or remove it.",
        )


def _read(file: Path) -> ProfileFile:
    try:
        content = file.read_bytes()
    except FileNotFoundError as fault:
        raise ConfigError(
            "there is no such profile.",
            file=file,
            fix="Write one: gramwise profile MODEL --scenario SCENARIO.",
        ) from fault
    except OSError as fault:
        raise ConfigError(
            f"it cannot be read: {(fault.strerror or str(fault)).lower()}.",
            file=file,
            fix="Pass the path of a file that you may read.",
        ) from fault
    try:
        _check_schema(content, file)
        profile = msgspec.json.decode(content, type=ProfileFile)
    except msgspec.MsgspecError as fault:
        raise ConfigError(
            f"this is not a profile: {str(fault).rstrip('.')}.",
            file=file,
            fix="Write one: gramwise profile MODEL --scenario SCENARIO.",
        ) from fault
    short = [name for name, node in profile.nodes.items() if len(node.pieces) != len(profile.pieces)]
    if short:
        raise ConfigError(
            f"the profile has {len(profile.pieces)} pieces and not as many of {short[0]}.",
            file=file,
            key=f"nodes.{short[0]}.pieces",
            fix="Profile the model anew.",
        )
    return profile


class _Head(msgspec.Struct):
    schema: str


def _check_schema(content: bytes, file: Path) -> None:
    said = msgspec.json.decode(content, type=_Head).schema
    if said == SCHEMA:
        return
    known = said.startswith("gramwise.")
    fix = "Update gramwise, or profile the model anew." if known else did_you_mean(said, [SCHEMA])
    raise ConfigError(f"this is {said!r}, not {SCHEMA!r}.", file=file, key="schema", fix=fix)


def machine() -> str:
    """This machine in words: system, processor, how many."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, {_cpu_model()}"


def _cpu_model() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown CPU"


def _covers(timed: Timed, pieces: Sequence[object]) -> bool:
    return timed.first == 0 and timed.last == len(pieces) - 1


def _measured(value: float, unit: str) -> Quantity:
    return Quantity(
        value=value,
        low=value,
        high=value,
        unit=unit,
        method="measured",
        boundary="chip",
        source="measured with the profile",
    )
