"""One model in onnxruntime the one way gramwise runs it: a single intra-op thread, whose CPU clock is the meter.

The only module that loads models into onnxruntime; `gramwise.runtime.kernelbench` asks it for sessions that profile.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from gramwise.core.errors import ConfigError, ModelError, Rejected, SourceUnavailable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


Level: TypeAlias = Literal["all", "extended", "basic", "disabled"]
"""How far onnxruntime rewrites a graph before it runs it. ``all``, its default, also lays tensors out anew for the
processor at hand, so that a result depends on the neighbours of its operator; ``extended`` fuses operators and
keeps layouts."""


class Session:
    """A loaded model.

    Args:
        path: ONNX file.
        level: of graph optimisation.

    Attributes:
        inputs: shape (None for a free dimension) and NumPy type by input name.
        dims: shape by input name, with a free dimension's name where it has one.
        outputs: names.

    Raises:
        ModelError: missing, corrupt or unsupported file, or one that takes or gives what NumPy cannot hold.
    """

    def __init__(self, path: str, *, level: Level = "all") -> None:
        self._session = load_session(path, level, {})
        for end in self._session.get_inputs():
            _check_type(path, end, _NUMPY_TYPES)
        for end in self._session.get_outputs():
            _check_type(path, end, {*_NUMPY_TYPES, "tensor(string)"})
        self.inputs: dict[str, tuple[tuple[int | None, ...], str]] = {
            i.name: (
                tuple(d if isinstance(d, int) else None for d in i.shape),
                _NUMPY_TYPES[i.type],
            )
            for i in self._session.get_inputs()
        }
        self.dims: dict[str, tuple[int | str | None, ...]] = {
            i.name: tuple(i.shape) for i in self._session.get_inputs()
        }
        self.outputs = tuple(o.name for o in self._session.get_outputs())

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
        return dict(zip(self.outputs, values, strict=True)), cpu_s


def optimised_outputs(path: str | Path) -> tuple[tuple[str, ...], ...]:
    """What is left of a model's tensors when onnxruntime has fused what it fuses on any processor.

    Args:
        path: ONNX file.

    Returns:
        Names of the outputs of each node of the model as it is after optimisation at level ``extended``, in run
        order. Names that the model had before mean the same tensors. (Level ``all`` gives its re-laid copies names of
        their own, and differs from one processor to another.)

    Raises:
        ModelError: missing, corrupt or unsupported file.
        ConfigError: a copy of the model cannot be written where temporary files go.
        SourceUnavailable: onnx is not installed.
    """
    try:
        return _optimised(str(path))
    except SourceUnavailable:
        raise
    except Exception as fault:
        load_session(str(path), "extended", {})  # if the model is at fault, that says so
        raise ConfigError(
            f"a copy of {path} cannot be written to {tempfile.tempdir or 'the folder of temporary files'}.",
            key="TMPDIR",
            fix="Set it to a directory that you may write, with room for the model.",
        ) from fault


def _optimised(path: str) -> tuple[tuple[str, ...], ...]:
    from gramwise.graph.library import onnx_library

    onnx = onnx_library()
    with tempfile.TemporaryDirectory(prefix="gramwise-") as folder:
        file = Path(folder) / "optimised.onnx"
        # Beside the graph, so that models of any size can be written, and reading it back does not read weights.
        entries = {
            "session.optimized_model_external_initializers_file_name": "weights.bin",
            "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
        }
        load_session(path, "extended", entries, optimised=str(file))
        model = onnx.load_model(str(file), load_external_data=False)
    return tuple(tuple(name for name in node.output if name) for node in model.graph.node)


def load_session(
    path: str, level: Level, entries: Mapping[str, str], *, optimised: str = "", profile: str = ""
) -> Any:
    """An onnxruntime session with one thread.

    Args:
        path: ONNX file.
        level: of graph optimisation.
        entries: of the session's configuration.
        optimised: file to which the graph is written as it will run; none when empty.
        profile: beginning of the file to which the session's profiler writes what every node takes; none when empty.

    Raises:
        ModelError: onnxruntime cannot load it.
    """
    # From 1.29 on, onnxruntime's wheels report to their maker unless told not to before they are loaded: that is
    # traffic nobody asked for, and threads whose CPU time belongs to no request. Whoever sets it, decides.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort

    options = ort.SessionOptions()
    # With more threads the pool's work escapes the thread clock, and its workers spin (docs/method/power.md).
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal only: what fails is raised, and raised once
    options.graph_optimization_level = {
        "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
        "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
        "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
        "disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    }[level]
    if optimised:
        options.optimized_model_filepath = optimised
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = profile
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as fault:
        raise ModelError(f"{path}: onnxruntime cannot load it: {_first_line(fault)}") from fault


_NUMPY_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(uint16)": "uint16",
    "tensor(int16)": "int16",
    "tensor(uint32)": "uint32",
    "tensor(int32)": "int32",
    "tensor(uint64)": "uint64",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


def _check_type(path: str, end: Any, known: Collection[str]) -> None:
    if end.type not in known:
        raise ModelError(
            f"{Path(path).name}: {end.name!r} is {end.type}, which NumPy cannot hold, so it can neither be given nor"
            " taken: cast it to float32 in the model, or cut elsewhere."
        )


def _first_line(fault: Exception) -> str:
    return str(fault).strip().splitlines()[0] if str(fault).strip() else type(fault).__name__
