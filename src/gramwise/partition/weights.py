"""Constants of a model on their way into pieces: read where they lie, in chunks, and written where they are needed.

A constant may be in the model's own file or in another one, and may be larger than memory allows twice. So it is a
`Blob`: a name, a size, and bytes that are read when they are copied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from gramwise.core.errors import ModelError
from gramwise.graph.library import onnx_library
from gramwise.graph.shapes import tensor_of

SHARED = "weights"
"""Folder of what several pieces use."""

_CHUNK_BYTES = 8 * 2**20
_PAGE_BYTES = 4096
"""Large constants start on a page, so that a runtime may map them instead of reading them."""

_CONSTANTS_ARE_NO_INPUTS = 4
"""The IR version from which a constant need not be listed among the inputs."""


class Blob:
    """A constant.

    Args:
        tensor: its ``TensorProto``, with its values or with the place of them.
        file: the model that it comes from.

    Attributes:
        name: in the graph.
        bytes: size of its values.
        movable: whether its values can stand in another file: strings cannot.

    Raises:
        ModelError: its values are in a file outside the model's folder, or at no place that can be read.
    """

    def __init__(self, tensor: Any, file: Path) -> None:
        onnx = onnx_library()
        self.name: str = tensor.name
        self._tensor, self._file = tensor, file
        kind = onnx.TensorProto
        self._external = tensor.data_location == kind.EXTERNAL
        self.movable = tensor.data_type != kind.STRING
        self.bytes = (
            tensor_of(tensor.name, tuple(tensor.dims), tensor.data_type).bytes
            if self.movable
            else tensor.ByteSize()
        )
        if self._external:
            place = {entry.key: entry.value for entry in tensor.external_data}
            location = Path(place.get("location", ""))
            if location.is_absolute() or ".." in location.parts or not location.parts:
                raise ModelError(
                    f"{file}: the values of {self.name!r} are said to be in {str(location)!r}: they must be in the"
                    " model's folder."
                )
            self._place = file.parent / location
            offset = place.get("offset", "0")
            if not offset.isdecimal():
                raise ModelError(
                    f"{file}: the offset of {self.name!r} is {offset!r}: export the model again."
                )
            self._offset = int(offset)

    def chunks(self) -> Iterator[bytes]:
        """Its values as they are stored, little-endian.

        Raises:
            ModelError: the file that holds them is missing or too short.
        """
        if not self._external:
            yield self._raw()
            return
        try:
            with self._place.open("rb") as stream:
                stream.seek(self._offset)
                left = self.bytes
                while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
                    left -= len(chunk)
                    yield chunk
        except OSError as fault:
            raise ModelError(
                f"{self._file}: the weights file {self._place} cannot be read ({fault.strerror}): keep it beside the"
                " model."
            ) from fault
        if left:
            raise ModelError(f"{self._file}: the weights file {self._place} ends inside {self.name!r}.")

    def _raw(self) -> bytes:
        if self._tensor.HasField("raw_data"):
            return bytes(self._tensor.raw_data)
        helper = onnx_library().numpy_helper
        # Types of less than a byte are packed only in their raw form, which this call makes of the typed one.
        return bytes(helper.from_array(helper.to_array(self._tensor)).raw_data)

    def inline(self) -> Any:
        """The constant with its values inside."""
        if not self._external:
            return self._tensor
        tensor = self._declared()
        tensor.raw_data = b"".join(self.chunks())
        return tensor

    def placed(self, location: str, offset: int) -> Any:
        """The constant with its values in another file."""
        tensor = self._declared()
        tensor.data_location = onnx_library().TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", offset), ("length", self.bytes)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor

    def _declared(self) -> Any:
        tensor = type(self._tensor)(name=self.name, data_type=self._tensor.data_type)
        tensor.dims.extend(self._tensor.dims)
        tensor.doc_string = self._tensor.doc_string
        return tensor


class Shelf:
    """The weight files of an export, under a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, str] = {}

    def shared(self, blob: Blob) -> Any:
        """A constant that several pieces use: in a file named by its content, written once."""
        if blob.name not in self._places:
            (self._folder / SHARED).mkdir(exist_ok=True)
            draft = self._folder / SHARED / "draft"
            digest = hashlib.sha256()
            with draft.open("wb") as stream:
                for chunk in blob.chunks():
                    digest.update(chunk)
                    stream.write(chunk)
            self._places[blob.name] = f"{SHARED}/{digest.hexdigest()}.bin"
            draft.replace(self._folder / self._places[blob.name])
        return blob.placed(self._places[blob.name], 0)

    def beside(self, blob: Blob, location: str) -> Any:
        """A constant of one piece, in that piece's own weights file."""
        with (self._folder / location).open("ab") as stream:
            offset = _pad(stream)
            for chunk in blob.chunks():
                stream.write(chunk)
        return blob.placed(location, offset)

    def listing(self) -> list[dict[str, Any]]:
        """The shared files: name, SHA-256, bytes."""
        return [
            {"file": place, "sha256": Path(place).stem, "bytes": (self._folder / place).stat().st_size}
            for place in sorted(set(self._places.values()))
        ]


def blobs_of(model: Any, file: Path, small_bytes: int) -> dict[str, Blob]:
    """A model's constants by name, those that large Constant nodes hold among them.

    Args:
        model: an ``onnx.ModelProto``.
        file: where it comes from.
        small_bytes: Constant nodes that hold less stay nodes.
    """
    blobs = {tensor.name: Blob(tensor, file) for tensor in model.graph.initializer}
    if model.ir_version < _CONSTANTS_ARE_NO_INPUTS:
        return blobs
    leaving = {value.name for value in model.graph.output}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output[0] not in leaving:
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.t.ByteSize() >= small_bytes:
                    tensor = type(attribute.t)()
                    tensor.CopyFrom(attribute.t)
                    tensor.name = node.output[0]
                    blobs[tensor.name] = Blob(tensor, file)
    return blobs


def _pad(stream: BinaryIO) -> int:
    """Fill up to the next page; returns where that is."""
    here = stream.tell()
    stream.write(bytes(-here % _PAGE_BYTES))
    return here + -here % _PAGE_BYTES
