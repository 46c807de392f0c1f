"""`gramwise cut`: write the pieces of a network, cut where a person says, and prove that they are the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gramwise.core.errors import ConfigError
from gramwise.graph.atoms import merge
from gramwise.graph.cuts import Parts, cut_at, names_in, refuse_rounding
from gramwise.graph.load import hidden_names, load_graph
from gramwise.graph.symbols import size_formulas, text_of
from gramwise.partition.export import Piece, export_pieces, read_manifest

from . import models
from .proof import check, prove
from .session import Level, optimised_outputs

if TYPE_CHECKING:
    from .proof import Tensors

SCHEMA = "gramwise.cut/1"
LEVELS: tuple[Level, ...] = ("extended", "all")
"""Where the pieces are proved: the level at which equality is a law, and the one at which they run."""


def cut(
    model: str,
    at: Sequence[str],
    out: str | Path,
    *,
    batch: int = 1,
    dims: Mapping[str, int] | None = None,
    inputs: Sequence[Tensors] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Cut a model at named tensors, write its pieces and prove them.

    Args:
        model: an ONNX file, ``package:NAME`` or ``zoo:NAME``.
        at: tensors, several in one text with commas between them (`graph.cuts.names_in`); those that follow one
            another are cuts one behind the other, those of branches beside each other are one cut.
        out: directory of the pieces.
        batch: size of an open batch dimension, for the bytes and for the proof.
        dims: size of other open dimensions, by name or by ``tensor:axis``.
        inputs: real inputs for the proof, besides random ones.
        tell: is told, in words, what is being done.

    Returns:
        A ``gramwise.cut/1`` document: ``model``, ``digest``, ``directory``, ``pieces`` (as in the directory's
        ``pieces.json``), ``shared`` files, ``cuts`` (tensors, bytes, a formula where dimensions are open, whether it
        crosses a fusion) and ``proof`` (a row for each level).

    Raises:
        ConfigError: no tensor was named, no such model, ``inputs`` that do not fit it, or ``out`` cannot take the
            pieces.
        ModelError: it cannot be cut there, or the pieces are not the whole; ``out`` is then as it was.
        UnknownShape: the size of a tensor is not known.
        SourceUnavailable: onnx is not installed.
    """
    if not any(name.strip(" ,") for name in at):
        raise ConfigError("no tensor is named.", key="--at", fix=f"gramwise inspect {model} lists the cuts.")
    path = models.resolve(model, Path(), source="cut", key="MODEL")
    tell(f"reading {path.name}")
    graph = load_graph(path, batch=batch, dims=dims)
    at = [name for text in at for name in names_in(text, graph.tensor_bytes)]
    groups = optimised_outputs(path)
    kept = {name for group in groups for name in group}
    atoms = merge(graph, groups)
    refuse_rounding(graph, atoms, kept, at)
    # Between atoms more places separate: a conversion that two of them share runs in both pieces.
    base = atoms if atoms.tensor_bytes.keys() >= set(at) else graph
    hidden = {} if graph.tensor_bytes.keys() >= set(at) else hidden_names(path)
    parts = cut_at(base, at, hidden=hidden, atoms=atoms)
    crosses = any(name not in kept for border in parts.borders for name in border.tensors)
    proofs: list[dict[str, Any]] = []

    def verify(files: Sequence[Path]) -> None:
        for level in LEVELS:
            tell(f"comparing them with the whole, level {level}")
            proof = prove(path, files, inputs=inputs, level=level, batch=batch, dims=dims)
            check(proof, crosses_fusion=crosses, what=path.name)
            proofs.append(asdict(proof))

    tell(f"writing {len(parts.parts)} pieces")
    export_pieces(path, [Piece(part.inputs, part.outputs) for part in parts.parts], out, verify=verify)
    manifest = read_manifest(out)
    return {
        "schema": SCHEMA,
        "model": path.stem,
        "digest": graph.digest,
        "directory": str(out),
        "pieces": manifest["pieces"],
        "shared": manifest["shared"],
        "cuts": _cuts(parts, kept, path),
        "proof": proofs,
    }


def _cuts(parts: Parts, kept: set[str], path: Path) -> list[dict[str, Any]]:
    formulas = size_formulas(path)
    rows = []
    for border in parts.borders:
        sizes = [formulas.get(name) for name in border.tensors]
        is_open = any(size is None or size.symbols for size in sizes)
        rows.append(
            {
                "tensors": list(border.tensors),
                "bytes": border.bytes,
                **({"formula": text_of(sizes)} if is_open else {}),
                "crosses_fusion": any(name not in kept for name in border.tensors),
            }
        )
    return rows
