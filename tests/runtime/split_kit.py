"""Plan files for the tiny network, written by hand, and its pieces."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gramwise.core.decision import Stage
from gramwise.partition.export import Piece, export_pieces

CUTS = (("input",), ("input", "h2"), ("input", "h4"), ("pixels", "h5"))
"""Where the tiny network is cut here: its input lives on beside what the convolutions make."""

LAYERS = 10


def pieces_between(*cuts: Sequence[str]) -> tuple[Piece, ...]:
    """Pieces of the tiny network whose cuts are after ``h2`` and after ``h4``, for the names given."""
    ends = (*cuts, ("logits",))
    pieces, begin = [], ("input",)
    for end in ends:
        made = tuple(name for name in end if name != "input")
        needs = ("input", *(n for n in begin if n != "input")) if end == ("logits",) else begin
        pieces.append(Piece(tuple(dict.fromkeys(needs)), made))
        begin = made
    return tuple(pieces)


def stages_of(nodes: Sequence[str], pieces: Sequence[Piece]) -> tuple[Stage, ...]:
    """The stages of a plan, without figures."""
    return tuple(
        Stage(node=node, piece=f"p{i}", inputs=piece.inputs, outputs=piece.outputs)
        for i, (node, piece) in enumerate(zip(nodes, pieces, strict=True))
    )


def export(
    model: Path, nodes: Sequence[str], cuts: Sequence[Sequence[str]], out: Path
) -> tuple[Any, dict[str, Any]]:
    """Stages on these nodes, and the files that each node holds."""
    pieces = pieces_between(*cuts)
    stages = stages_of(nodes, pieces)
    files = export_pieces(model, pieces, out)
    held: dict[str, dict[str, str]] = {node: {} for node in nodes}
    for stage, file in zip(stages, files, strict=True):
        held[stage.node][stage.piece] = str(file)
    return stages, held


def plan_document(
    model: Path, nodes: Sequence[str], cuts: Sequence[Sequence[str]], count: int, **changes: Any
) -> dict[str, Any]:
    """A ``gramwise.plan/1`` document of the tiny network with one stage a node."""
    pieces = pieces_between(*cuts) if cuts else (Piece(("input",), ("logits",)),)
    bounds = [round(i * LAYERS / len(nodes)) for i in range(len(nodes) + 1)]
    stages = [
        {
            "node": node,
            "first_layer": bounds[i],
            "last_layer": bounds[i + 1] - 1,
            "send_bytes": 1000,
            "receive_bytes": 2000,
            "latency_s": 0.01,
            "energy_j": 0.1,
            "carbon_g": 1e-6,
            "inputs": list(piece.inputs),
            "outputs": list(piece.outputs),
            "memory_bytes": 2**20,
        }
        for i, (node, piece) in enumerate(zip(nodes, pieces, strict=True))
    ]
    return {
        "schema": "gramwise.plan/1",
        "model": "tiny",
        "variant": "full",
        "digest": hashlib.sha256(model.read_bytes()).hexdigest(),
        "count": count,
        "method": "by hand",
        "exact": False,
        "objective": "carbon",
        "layers": [f"layer-{i}" for i in range(LAYERS)],
        "stages": stages,
        "cost": {"latency_s": 0.03, "energy_j": 0.3, "carbon_g": 3e-6},
        "reason": "written by hand",
        "pareto": [],
        "solve_s": 0.0,
        **changes,
    }


def write_plan(folder: Path, document: dict[str, Any]) -> Path:
    """The document as a file."""
    file = folder / "plan.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file
