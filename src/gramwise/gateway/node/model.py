"""A model as the node serves it: what it takes and gives in the protocol's terms, and one run of it.

onnxruntime runs it with one thread, on the caller's; so the thread's CPU clock round the run is the run's own, and
several threads may run one model at a time (onnxruntime's ``Run`` is thread-safe).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gramwise.core.errors import ModelError
from gramwise.gateway.oip.errors import BadRequest
from gramwise.gateway.oip.metadata import ModelMetadata, TensorMetadata
from gramwise.runtime.session import load_session

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array: TypeAlias = npt.NDArray[np.generic]

PLATFORM = "onnx_onnxv1"
"""As Triton and OpenVINO Model Server name it."""

_DATATYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model.

    Attributes:
        name, datatype: as the protocol has them.
        shape: None for a free dimension.
        first: name of the first dimension where it is free and has one; empty otherwise.
    """

    name: str
    datatype: str
    shape: tuple[int | None, ...]
    first: str

    def metadata(self) -> TensorMetadata:
        """The same as metadata; -1 is a free dimension."""
        return TensorMetadata(self.name, self.datatype, [-1 if size is None else size for size in self.shape])


@dataclass(frozen=True, slots=True)
class Run:
    """One run: outputs in the order asked, thread CPU seconds, wall seconds."""

    outputs: Sequence[Array]
    cpu_s: float
    wall_s: float


class Model:
    """A loaded model.

    Args:
        name, version: as clients call it.
        file: of the model.

    Attributes:
        inputs, outputs: by name, in the model's order.
        batches: whether requests may share a run: every input and output has the same free first dimension, by name.

    Raises:
        ModelError: a file that onnxruntime cannot load, or a tensor that the protocol has no datatype for.
    """

    def __init__(self, name: str, version: str, file: Path) -> None:
        self.name, self.version = name, version
        self._session = load_session(str(file), "all", {})
        self.inputs = _ports(self._session.get_inputs())
        self.outputs = _ports(self._session.get_outputs())
        firsts = {port.first for port in (*self.inputs.values(), *self.outputs.values())}
        self._fitted: Mapping[str, tuple[str, Sequence[int]]] | None = None
        self._texts = [port.name for port in self.inputs.values() if port.datatype == "BYTES"]
        self.batches = len(firsts) == 1 and "" not in firsts

    def metadata(self, versions: Sequence[str]) -> ModelMetadata:
        """What the model is, beside the versions of it that are served."""
        return ModelMetadata(
            name=self.name,
            platform=PLATFORM,
            inputs=[port.metadata() for port in self.inputs.values()],
            outputs=[port.metadata() for port in self.outputs.values()],
            versions=list(versions),
        )

    def check(self, given: Mapping[str, tuple[str, Sequence[int]]]) -> None:
        """See that inputs fit before anything of them is decoded.

        Args:
            given: datatype and shape by name; not to be changed after.

        Raises:
            BadRequest: 400, one is missing, unknown, or of another datatype or shape.
        """
        if given is self._fitted:  # a request like the last
            return
        for name, (datatype, shape) in given.items():
            port = self.inputs.get(name)
            if port is None:
                known = ", ".join(map(repr, self.inputs))
                raise BadRequest(400, f"model {self.name!r} has no input {name[:40]!r}; it takes {known}")
            if datatype != port.datatype:
                raise BadRequest(400, f"input {name!r} is {datatype}, and the model takes {port.datatype}")
            if len(shape) != len(port.shape) or any(
                wanted not in (None, size) for wanted, size in zip(port.shape, shape, strict=True)
            ):
                wanted_shape = [-1 if size is None else size for size in port.shape]
                raise BadRequest(400, f"input {name!r} is {list(shape)}, and the model takes {wanted_shape}")
        missing = [name for name in self.inputs if name not in given]
        if missing:
            raise BadRequest(400, f"input {missing[0]!r} of model {self.name!r} is missing")
        self._fitted = given

    def wanted(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """The outputs to make: those asked for, or all.

        Raises:
            BadRequest: 400, the model has no such output.
        """
        if not names:
            return tuple(self.outputs)
        for name in names:
            if name not in self.outputs:
                known = ", ".join(map(repr, self.outputs))
                raise BadRequest(400, f"model {self.name!r} has no output {name[:40]!r}; it gives {known}")
        return tuple(names)

    def run(self, inputs: Mapping[str, Array], wanted: Sequence[str]) -> Run:
        """Run once, on the calling thread.

        Arrays that lie across their type's alignment, as tensors behind a head of any length do, are copied first:
        compiled code may fail on them.

        Raises:
            BadRequest: 400 when the inputs do not fit after all, 500 when the model fails on them.
        """
        given = {name: array if array.flags.aligned else array.copy() for name, array in inputs.items()}
        given.update({name: _text(inputs[name]) for name in self._texts})
        start_s, start_cpu_s = time.perf_counter(), time.thread_time()
        try:
            outputs: list[Any] = self._session.run(list(wanted), given)
        except Exception as fault:
            # Its classes lie in a private module; the name is what it documents.
            status = 400 if type(fault).__name__ in ("InvalidArgument", "ValueError") else 500
            raise BadRequest(
                status, f"model {self.name!r} refused its inputs: {_first_line(fault)}"
            ) from fault
        return Run(outputs, time.thread_time() - start_cpu_s, time.perf_counter() - start_s)


def _ports(ends: Sequence[Any]) -> dict[str, Port]:
    return {end.name: _port(end) for end in ends}


def _port(end: Any) -> Port:
    datatype = _DATATYPES.get(end.type)
    if datatype is None:
        raise ModelError(
            f"{end.name!r} is {end.type}, for which the protocol has no datatype here: cast it to float32 in the model"
        )
    first = end.shape[0] if end.shape and isinstance(end.shape[0], str) else ""
    return Port(end.name, datatype, tuple(d if isinstance(d, int) else None for d in end.shape), first)


def _text(array: Array) -> npt.NDArray[np.object_]:
    """An array of bytes as one of text, which is what onnxruntime takes."""
    import numpy as np

    try:
        text = [
            element.decode() if isinstance(element, bytes) else str(element) for element in array.reshape(-1)
        ]
    except UnicodeDecodeError:
        raise BadRequest(400, "an element of a BYTES input is not UTF-8 text") from None
    made = np.empty(array.shape, dtype=object)
    made.reshape(-1)[:] = text
    return made


def _first_line(fault: Exception) -> str:
    lines = str(fault).strip().splitlines()
    return lines[0][:300] if lines else type(fault).__name__
