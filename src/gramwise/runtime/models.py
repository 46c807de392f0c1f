"""From what a scenario names to files and bytes: shipped models, zoo models, files beside the scenario."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from gramwise.core.errors import ConfigError, ModelError, SourceUnavailable, did_you_mean

RUNTIME_BYTES = 80 * 2**20
"""What a node process takes besides its models. Measured on Linux x86-64 with onnxruntime 1.31 and Python 3.11: 52 MiB
(docs/measurements/01-first-light.md). The rest is room for activations, which depend on the request and are not
predicted (46 MiB for forty digits images): where they outgrow it, the kernel's cap decides."""

LOAD_FACTOR = 3
"""Bytes a loaded model takes per byte of its file: the parsed file, the weights, and their packed copies; measured
2.6 to 2.8 (docs/measurements/01-first-light.md), rounded up."""


def resolve(file: str, base: Path, *, source: str | Path, key: str) -> Path:
    """The file that ``file`` of a scenario stands for.

    Args:
        file: ``package:NAME``, ``zoo:NAME`` or a path relative to ``base``.
        base: directory of the scenario.
        source, key: where it was written, for errors.

    Raises:
        ConfigError: no such model.
        ModelError: the file is missing.
    """
    scheme, _, name = file.partition(":")
    if scheme == "package":
        return _shipped(name, source, key)
    if scheme == "zoo":
        return _built(name, source, key)
    path = base / Path(file).expanduser()
    if not path.is_file():
        raise ModelError(
            f"{source}: {key}: there is no file {path}. Write the path of an ONNX file, package:NAME or zoo:NAME."
        )
    return path


def _shipped(name: str, source: str | Path, key: str) -> Path:
    home = Path(str(importlib.resources.files("gramwise") / "data" / "models"))
    path = home / name
    if not path.is_file() or path.suffix != ".onnx":
        choices = [f"package:{p.name}" for p in home.glob("*.onnx")]
        raise ConfigError(
            f"no model {name!r} is shipped.",
            file=source,
            key=key,
            fix=did_you_mean(f"package:{name}", choices),
        )
    return path


def _built(name: str, source: str | Path, key: str) -> Path:
    from gramwise.graph import zoo

    try:
        return zoo.path(name)
    except ConfigError as fault:
        raise ConfigError(fault.message, file=source, key=key, fix=fault.fix) from fault
    except SourceUnavailable as fault:
        raise SourceUnavailable(f"{source}: {key}: {fault}") from fault


def memory_bytes(path: Path) -> int:
    """What a node must hold to serve a model file: the runtime and the loaded model."""
    return RUNTIME_BYTES + LOAD_FACTOR * path.stat().st_size
