"""Pieces of an ONNX model as models of their own, which together compute what the whole computes.

onnx's own extraction finds the nodes of a piece. Around it stands what that extraction leaves out: tensors that
control-flow bodies read from outside, constants of any size wherever they are stored, the model's own metadata, and a
check that the piece takes and gives what was asked. Constants that several pieces use are written once, named by their
content, so that a machine that holds two pieces receives them once. A directory of pieces appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gramwise.core.errors import ConfigError, ModelError, did_you_mean
from gramwise.graph.library import onnx_library
from gramwise.graph.load import read_model, reads
from gramwise.graph.shapes import declared

from .weights import SHARED as _WEIGHTS
from .weights import Blob, Shelf, blobs_of

SCHEMA = "gramwise.pieces/1"
MANIFEST = "pieces.json"
_DRAFT = ".pieces-"

SMALL_BYTES = 1024
"""Constants below this stay in the piece's own file: they may be shapes, axes or sizes, which onnxruntime must know
when it loads the graph (onnxruntime issue 11137), and a file each would cost more than it saves."""

INLINE_BYTES = 2**30
"""A piece whose constants are larger than this keeps them beside it: a protobuf file ends at 2 GiB."""


class Piece(NamedTuple):
    """One part of a network: the tensors that enter it and those that leave it, by name."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def export_pieces(
    path: str | Path,
    pieces: Sequence[Piece],
    out_dir: str | Path,
    *,
    names: Sequence[str] | None = None,
    inline_bytes: int = INLINE_BYTES,
    verify: Callable[[Sequence[Path]], object] | None = None,
) -> tuple[Path, ...]:
    """Write pieces of a model.

    Args:
        path: the whole model; weights in other files are read where they lie.
        pieces: what to write. Two pieces may contain the same node; each then runs it for itself.
        out_dir: made if it is not there; what an earlier export of the same model left there is replaced.
        names: file names without ``.onnx``, one a piece; by default the model's with ``-1``, ``-2`` ...
        inline_bytes: constants of a piece beyond this go to a file beside it.
        verify: is given the files before they take their place. What it raises ends the export, and ``out_dir`` stays
            as it was.

    Returns:
        The files, in order. ``pieces.json`` beside them (``gramwise.pieces/1``) lists, a piece, its file, interface,
        bytes and constants, and the files under ``weights/`` that it shares with others.

    Raises:
        ModelError: a piece that the model does not have: unknown tensors, an input that is not enough or not needed;
            a weights file that is missing or too short.
        ConfigError: ``out_dir`` holds something else or cannot be written; names that are no file names.
        SourceUnavailable: onnx is not installed.
    """
    file, out = Path(path), Path(out_dir)
    stems = _stems(file, len(pieces), names)
    source = _Source(file)
    made = [source.extract(piece) for piece in pieces]
    try:
        return _publish(source, made, pieces, stems, out, inline_bytes, verify)
    except OSError as fault:
        raise ConfigError(
            f"cannot write the pieces ({fault.strerror}).",
            file=out,
            fix="Name a directory that you may write, with room for the model.",
        ) from fault


def _stems(file: Path, count: int, names: Sequence[str] | None) -> tuple[str, ...]:
    stems = tuple(names) if names is not None else tuple(f"{file.stem}-{i + 1}" for i in range(count))
    plain = all(stem and Path(stem).name == stem and not stem.startswith(".") for stem in stems)
    if not count or len(stems) != count or len(set(stems)) != count or not plain:
        raise ConfigError(
            f"{count} pieces cannot be called {', '.join(stems) or 'nothing'}.",
            key="names",
            fix="Give each piece a file name of its own, without folder and ending.",
        )
    return stems


class _Source:
    """The whole model, taken apart: nodes without constants, and constants by name."""

    def __init__(self, file: Path) -> None:
        self.file = file
        onnx = onnx_library()
        model, self.digest = read_model(file)
        known = declared(model, file)
        self.blobs: dict[str, Blob] = blobs_of(model, file, SMALL_BYTES)
        self._sparse = {sparse.values.name: sparse for sparse in model.graph.sparse_initializer}
        self._annotations = list(model.graph.quantization_annotation)
        # Before IR 4 every constant was also an input; from then on one that is can be replaced by the caller, and a
        # runtime must not fold it. Either way a piece keeps it as the whole has it.
        self._open_constants = {v.name: v for v in model.graph.input if v.name in self.blobs}
        self._model = _bare(model, set(self.blobs) | set(self._sparse), known)
        self._typed = {name for name, value in known.items() if value.type.WhichOneof("value")}
        self._inputs = {value.name for value in self._model.graph.input}
        self._made = {name for node in self._model.graph.node for name in node.output if name}
        self._own = {value.name: value for value in model.graph.value_info}
        self._extractor = onnx.utils.Extractor(self._model)

    def extract(self, piece: Piece) -> Any:
        """The piece as a model without its constants."""
        for name in (*piece.inputs, *piece.outputs):
            self._check_name(name)
        model = self._slice(piece)
        graph = model.graph
        produced = self._rename_given(graph, piece)
        read = {name for node in graph.node for name in reads(node)}
        lost = read - produced - set(piece.inputs) - set(self.blobs) - set(self._sparse)
        if lost:
            raise ModelError(
                f"{self.file}: the piece that makes {_list(piece.outputs)} also needs {_list(sorted(lost))}: cut there"
                " too."
            )
        for name in piece.outputs:
            if name not in produced:
                raise ModelError(f"{self.file}: {name!r} both enters and leaves a piece: leave it out.")
        idle = [name for name in piece.inputs if name not in read]
        if idle:
            raise ModelError(
                f"{self.file}: the piece that makes {_list(piece.outputs)} does not need {_list(idle)}: leave it out."
            )
        self._furnish(model, piece, read | produced)
        return model

    def constants(self, model: Any) -> list[Blob]:
        """The constants that a piece reads, in the order of the whole."""
        read = {name for node in model.graph.node for name in reads(node)}
        read |= {e.value for a in model.graph.quantization_annotation for e in a.quant_parameter_tensor_names}
        return [blob for name, blob in self.blobs.items() if name in read]

    def _check_name(self, name: str) -> None:
        if name in self.blobs or name in self._sparse:
            raise ModelError(f"{self.file}: {name!r} is a constant: it never travels.")
        if name not in self._made and name not in self._inputs:
            raise ModelError(
                f"{self.file}: there is no tensor {name!r}. {did_you_mean(name, self._made | self._inputs)}"
            )
        if name not in self._typed:
            raise ModelError(
                f"{self.file}: the type of {name!r} is not known: record it in the model (value_info)."
            )

    def _slice(self, piece: Piece) -> Any:
        """onnx's extraction, with what bodies of control flow capture as further outputs until nothing is missing."""
        wanted = list(piece.outputs)
        while True:
            model = self._extractor.extract_model(list(piece.inputs), wanted)
            there = {name for node in model.graph.node for name in node.output} | set(piece.inputs)
            more = {n for node in model.graph.node for n in reads(node)} & self._made - there
            if not more:
                del model.graph.output[len(piece.outputs) :]
                return model
            wanted += sorted(more)

    def _rename_given(self, graph: Any, piece: Piece) -> set[str]:
        """What the piece makes. A node of several outputs may make again what is given: that copy goes unread."""
        given = set(piece.inputs)
        for node in graph.node:
            node.output[:] = [f"{name}/again" if name in given else name for name in node.output]
        return {name for node in graph.node for name in node.output if name}

    def _furnish(self, model: Any, piece: Piece, names: set[str]) -> None:
        """What the extraction leaves out: open constants, recorded shapes, sparse constants, annotations, metadata."""
        whole, graph = self._model, model.graph
        graph.name = whole.graph.name
        graph.doc_string = whole.graph.doc_string
        graph.input.extend(value for name, value in self._open_constants.items() if name in names)
        del graph.value_info[:]
        ends = {*piece.inputs, *piece.outputs}
        graph.value_info.extend(v for name, v in self._own.items() if name in names and name not in ends)
        graph.sparse_initializer.extend(s for name, s in self._sparse.items() if name in names)
        graph.quantization_annotation.extend(a for a in self._annotations if a.tensor_name in names)
        _copy_about(whole, model)


def _copy_about(source: Any, target: Any) -> None:
    """What a model says of itself. How to train it is left out: that speaks of the whole."""
    for field in ("producer_name", "producer_version", "domain", "model_version", "doc_string"):
        setattr(target, field, getattr(source, field))
    target.metadata_props.extend(source.metadata_props)
    if hasattr(source, "configuration"):  # devices that nodes refer to; onnx 1.18 and later
        target.configuration.extend(source.configuration)


def _bare(model: Any, constants: set[str], known: dict[str, Any]) -> Any:
    """The model without constants, whose every tensor is declared as well as it can be."""
    bare = type(model)()
    bare.ir_version = model.ir_version
    bare.opset_import.extend(model.opset_import)
    _copy_about(model, bare)
    graph = bare.graph
    graph.name, graph.doc_string = model.graph.name, model.graph.doc_string
    graph.input.extend(value for value in model.graph.input if value.name not in constants)
    graph.node.extend(node for node in model.graph.node if not constants.intersection(node.output))
    # The inference knows the types of outputs where the file leaves them open.
    graph.output.extend(known.get(value.name, value) for value in model.graph.output)
    ends = {value.name for value in [*graph.input, *graph.output]}
    untyped = type(graph.output[0])
    for name in {name: None for node in graph.node for name in node.output if name and name not in ends}:
        graph.value_info.append(known.get(name) or untyped(name=name))
    return bare


def _publish(
    source: _Source,
    made: Sequence[Any],
    pieces: Sequence[Piece],
    stems: Sequence[str],
    out: Path,
    inline_bytes: int,
    verify: Callable[[Sequence[Path]], object] | None,
) -> tuple[Path, ...]:
    """Write everything under another name, have it checked, then move it into place, the manifest last."""
    new = not out.exists()
    old = _earlier(out, source)
    out.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=out, prefix=_DRAFT))
    try:
        rows = _write(source, made, pieces, stems, draft, inline_bytes)
        if verify is not None:
            verify([draft / row["file"] for row in rows])
        for name in old:
            (out / name).unlink(missing_ok=True)
        files = [f for f in sorted(draft.rglob("*")) if f.is_file()]
        for file in sorted(files, key=lambda f: f.name == MANIFEST):
            target = out / file.relative_to(draft)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        if new:
            with contextlib.suppress(OSError):
                out.rmdir()
        raise
    shutil.rmtree(draft, ignore_errors=True)
    with contextlib.suppress(OSError):
        (out / _WEIGHTS).rmdir()  # where nothing is shared any more
    return tuple(out / row["file"] for row in rows)


def _write(
    source: _Source,
    made: Sequence[Any],
    pieces: Sequence[Piece],
    stems: Sequence[str],
    folder: Path,
    inline_bytes: int,
) -> list[dict[str, Any]]:
    """The files of an export, its manifest among them; returns the manifest's rows."""
    constants = [source.constants(model) for model in made]
    users = Counter(blob.name for blobs in constants for blob in blobs)
    shelf = Shelf(folder)
    rows = []
    for model, piece, stem, blobs in zip(made, pieces, stems, constants, strict=True):
        shared: set[str] = set()
        large = [blob for blob in blobs if blob.movable and blob.bytes >= SMALL_BYTES]
        own = [blob for blob in large if users[blob.name] == 1]
        beside = own if sum(blob.bytes for blob in own) > inline_bytes else []
        for blob in blobs:
            if blob in large and users[blob.name] > 1:
                stored = shelf.shared(blob)
                shared.add(stored.external_data[0].value)
            else:
                stored = shelf.beside(blob, f"{stem}.bin") if blob in beside else blob.inline()
            model.graph.initializer.append(stored)
        file = folder / f"{stem}.onnx"
        file.write_bytes(model.SerializeToString(deterministic=True))
        rows.append(
            {
                "file": file.name,
                "inputs": list(piece.inputs),
                "outputs": list(piece.outputs),
                "bytes": file.stat().st_size,
                "weight_bytes": sum(blob.bytes for blob in blobs),
                "beside": [f"{stem}.bin"] if beside else [],
                "shared": sorted(shared),
            }
        )
        model.Clear()  # a piece may hold a gibibyte
    manifest = {
        "schema": SCHEMA,
        "model": source.file.stem,
        "digest": source.digest,
        "pieces": rows,
        "shared": shelf.listing(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return rows


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of an export.

    Returns:
        The document: ``model``, ``digest``, ``pieces`` and the files that are ``shared``. A piece has ``file``,
        ``inputs``, ``outputs``, ``bytes`` of its file, ``weight_bytes`` of the constants that it reads, and the names
        of further files: those ``beside`` it that are its own, and those that are ``shared``.

    Raises:
        ConfigError: there is none, or it is another kind of document.
    """
    file = Path(folder) / MANIFEST
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as fault:
        raise ConfigError("there is no readable list of pieces.", file=file) from fault
    try:
        if document["schema"] == SCHEMA and all(files_of(row) for row in document["pieces"]):
            document["digest"]
            return dict(document)
    except (TypeError, KeyError):
        pass
    raise ConfigError(f"this is no {SCHEMA} document.", file=file)


def files_of(piece: Mapping[str, Any]) -> tuple[str, ...]:
    """Every file that a machine needs to run a piece of a manifest, relative to the manifest's folder."""
    return (piece["file"], *piece["beside"], *piece["shared"])


def _earlier(out: Path, source: _Source) -> list[str]:
    """Files of an earlier export of the same model, the manifest first: half removed, it must not look whole."""
    if out.exists() and not out.is_dir():
        raise ConfigError("the pieces need a directory, and this is a file.", file=out)
    top = {f.name for f in out.iterdir() if not f.name.startswith(_DRAFT)} if out.exists() else set()
    there = top - {_WEIGHTS}
    if _WEIGHTS in top:
        there |= {f"{_WEIGHTS}/{f.name}" for f in (out / _WEIGHTS).iterdir()}
    if not there:
        return []
    fix = "Name an empty directory, or one that does not exist."
    listed: set[str] = set()
    if MANIFEST in there:
        document = read_manifest(out)
        if document["digest"] != source.digest:
            raise ConfigError("the directory holds the pieces of another model.", file=out, fix=fix)
        listed = {MANIFEST, *(name for row in document["pieces"] for name in files_of(row))}
    strangers = there - listed
    if strangers:
        raise ConfigError(f"the directory holds other files, {min(strangers)} for one.", file=out, fix=fix)
    return sorted(there, key=lambda name: name != MANIFEST)


def _list(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
    return ", ".join(repr(name) for name in shown[:4]) + more
