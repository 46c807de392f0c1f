"""Networks by name, built on the spot with seeded random weights: for timing and for counting, not for
answers.

An architecture is one module of this package that ends in ``PLUGIN = ThatClass``; the class has ``MODES``,
``VERSION`` and ``build(weights, metadata)``, and the network ``resnet50-v1.5-224`` is mode ``v1.5-224`` of
module ``resnet50``. Increase ``VERSION`` whenever the built file changes: it is part of the cached file's
name.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import pkgutil
import tempfile
from pathlib import Path
from typing import Any

from gramwise.core.errors import ConfigError, did_you_mean


def names() -> list[str]:
    """Every network that can be built, sorted."""
    return sorted(_catalogue())


def build(name: str, seed: int = 0) -> Any:
    """The network ``name`` as an ONNX model.

    Input ``input`` is float32 (batch, 3, 224, 224) with an open batch dimension, output ``logits`` is (batch,
    1000).

    Args:
        name: one of `names`.
        seed: of the random weights; the same seed and NumPy version give the same bytes.

    Returns:
        An ``onnx.ModelProto`` whose metadata say that the weights are random.

    Raises:
        ConfigError: no such network; names the nearest one.
        SourceUnavailable: onnx is not installed.
    """
    cls, mode = _find(name)
    from .emit import random_weights

    metadata = {
        "gramwise.zoo": name,
        "gramwise.seed": str(seed),
        "gramwise.builder": str(cls.VERSION),
        "gramwise.weights": "random, seeded: for timing only, the answers mean nothing",
    }
    return cls(mode).build(random_weights(seed), metadata)


def path(name: str, cache_dir: str | Path | None = None, seed: int = 0) -> Path:
    """The network ``name`` as a file, built on the first call and found again later.

    Args:
        name: one of `names`.
        cache_dir: where to keep it; by default ``gramwise/zoo`` under ``$XDG_CACHE_HOME`` or ``~/.cache``.
        seed: of the random weights.

    Returns:
        The file; its name carries the network, the seed and the builder's version.

    Raises:
        ConfigError: no such network, or the directory cannot be written.
        SourceUnavailable: onnx is not installed.
    """
    cls, _ = _find(name)
    folder = Path(cache_dir) if cache_dir is not None else _default_cache()
    file = folder / f"{name}-seed{seed}-v{cls.VERSION}.onnx"
    if not file.is_file():
        content = build(name, seed).SerializeToString(deterministic=True)
        try:
            _write_whole(file, content)
        except OSError as error:
            raise ConfigError(
                f"cannot write the model cache ({error.strerror}).",
                file=folder,
                fix="Set XDG_CACHE_HOME to a directory that you may write, with room for the model.",
            ) from error
    return file


def _catalogue() -> dict[str, tuple[Any, str]]:
    found: dict[str, tuple[Any, str]] = {}
    for module in pkgutil.iter_modules(__path__):
        plugin = getattr(importlib.import_module(f"{__name__}.{module.name}"), "PLUGIN", None)
        if plugin is not None:
            stem = module.name.replace("_", "-")
            found |= {f"{stem}-{mode}": (plugin, mode) for mode in plugin.MODES}
    return found


def _find(name: str) -> tuple[Any, str]:
    catalogue = _catalogue()
    if name not in catalogue:
        raise ConfigError(f"the zoo has no network called {name!r}.", fix=did_you_mean(name, catalogue))
    return catalogue[name]


def _default_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "gramwise" / "zoo"


def _write_whole(file: Path, content: bytes) -> None:
    """Write beside the target, then rename: two processes may build at once and none reads half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(draft).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(draft).unlink()
        raise
