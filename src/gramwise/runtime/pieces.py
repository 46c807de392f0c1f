"""The pieces of a split plan as files: exported and proved once, kept under the user's cache, found again later."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from gramwise.core.decision import Stage
from gramwise.core.errors import ConfigError
from gramwise.core.model import Variant
from gramwise.partition.export import MANIFEST, Piece, export_pieces, files_of, read_manifest
from gramwise.runtime import models
from gramwise.runtime.engine import variant_key
from gramwise.runtime.planfile import PlanFile
from gramwise.runtime.proof import check, prove
from gramwise.runtime.session import Level, optimised_outputs

_LEVELS: tuple[Level, ...] = ("extended", "all")
"""At which pieces are proved: the one that the law speaks of, and the one that nodes run."""

_DIGITS = 16
"""Of a digest in the name of a directory: two cuts of one model that share 64 bits will not be met."""


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """The pieces of one plan.

    Attributes:
        stages: the plan's, each with the executor's name of its piece and all that its node must hold for it.
        files: file of each stage's piece.
        folder: where they lie.
    """

    stages: tuple[Stage, ...]
    files: tuple[Path, ...]
    folder: Path

    def loads(self, node: str) -> dict[str, str]:
        """What a node loads: file by the executor's name."""
        pairs = zip(self.stages, self.files, strict=True)
        return {stage.piece: str(file) for stage, file in pairs if stage.node == node}

    def memory_bytes(self, node: str) -> int:
        """What a node holds for its pieces, the runtime included; 0 for a node without one."""
        return max((stage.memory_bytes for stage in self.stages if stage.node == node), default=0)


def pieces_of(plan: PlanFile, variant: Variant, tell: Callable[[str], None] = lambda _: None) -> Pieces:
    """The pieces of a split plan; made and proved when they are not there yet.

    Args:
        plan: of several stages.
        variant: that was planned, with its file.
        tell: hears what is going on.

    Raises:
        ModelError: the model cannot be cut so, or its pieces do not compute what it computes.
        ConfigError: the cache cannot be written.
        SourceUnavailable: onnx is not installed.
    """
    wanted = [Piece(stage.inputs, stage.outputs) for stage in plan.stages]
    folder = _cache() / f"{plan.digest[:_DIGITS]}-{_hash(wanted)}"
    if not (folder / MANIFEST).is_file():
        tell("cutting the model into pieces")
        _make(Path(variant.path), wanted, folder, plan.count, tell)
    rows = read_manifest(folder)["pieces"]
    key = variant_key(plan.model, plan.variant)
    stages = tuple(
        replace(
            stage,
            piece=f"{key}[{i}/{len(plan.stages)}]",
            memory_bytes=models.RUNTIME_BYTES
            + (
                stage.memory_bytes
                or models.LOAD_FACTOR * sum((folder / f).stat().st_size for f in files_of(row))
            ),
        )
        for i, (stage, row) in enumerate(zip(plan.stages, rows, strict=True), 1)
    )
    return Pieces(stages=stages, files=tuple(folder / row["file"] for row in rows), folder=folder)


def _make(model: Path, wanted: list[Piece], folder: Path, batch: int, tell: Callable[[str], None]) -> None:
    """Export and prove beside the target, then rename: what stands in the cache is whole and was proved."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".draft-"))
    except OSError as fault:
        raise ConfigError(
            f"cannot write the cache of pieces ({fault.strerror}).",
            file=folder.parent,
            fix="Set XDG_CACHE_HOME to a directory that you may write, with room for the model.",
        ) from fault
    try:
        files = export_pieces(model, wanted, draft / "pieces")
        tell("proving that the pieces answer as the whole")
        kept = {name for made in optimised_outputs(model) for name in made}
        crosses = any(name not in kept for piece in wanted for name in piece.outputs)
        for level in _LEVELS:
            check(prove(model, files, level=level, batch=batch), crosses_fusion=crosses, what=model.name)
        if not (folder / MANIFEST).is_file():
            (draft / "pieces").replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _hash(pieces: list[Piece]) -> str:
    """Of a cut, and of the version that exported it."""
    text = json.dumps([version("gramwise"), [[p.inputs, p.outputs] for p in pieces]])
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "gramwise" / "pieces"
