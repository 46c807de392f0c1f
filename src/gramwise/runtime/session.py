"""One model in onnxruntime the one way gramwise runs it: a single intra-op thread, whose CPU clock is the meter.

The only module that imports onnxruntime.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gramwise.core.errors import ModelError, Rejected

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Session:
    """A loaded model.

    Args:
        path: ONNX file.

    Attributes:
        inputs: shape (None for a free dimension) and NumPy type by input name.

    Raises:
        ModelError: missing, corrupt or unsupported file.
    """

    def __init__(self, path: str) -> None:
        # From 1.29 on, onnxruntime's wheels report to their maker unless told not to before they are loaded: that is
        # traffic nobody asked for, and threads whose CPU time belongs to no request. Whoever sets it, decides.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime as ort

        options = ort.SessionOptions()
        # With more threads the pool's work escapes the thread clock, and its workers spin (docs/method/power.md).
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # fatal only: what fails is raised, and raised once
        try:
            self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as fault:
            raise ModelError(f"{path}: onnxruntime cannot load it: {_first_line(fault)}") from fault
        self.inputs: dict[str, tuple[tuple[int | None, ...], str]] = {
            i.name: (
                tuple(d if isinstance(d, int) else None for d in i.shape),
                _NUMPY_TYPES.get(i.type, "float32"),
            )
            for i in self._session.get_inputs()
        }
        self._outputs = [o.name for o in self._session.get_outputs()]

    def run(
        self, inputs: Mapping[str, npt.NDArray[np.generic]]
    ) -> tuple[dict[str, npt.NDArray[np.generic]], float]:
        """Outputs by name, and the thread CPU seconds that they took.

        Raises:
            Rejected: the inputs do not fit the model.
        """
        start_s = time.thread_time()
        try:
            values: list[Any] = self._session.run(None, dict(inputs))
        except Exception as fault:
            raise Rejected(f"the model refused its inputs: {_first_line(fault)}") from fault
        cpu_s = time.thread_time() - start_s
        return dict(zip(self._outputs, values, strict=True)), cpu_s


_NUMPY_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


def _first_line(fault: Exception) -> str:
    return str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
