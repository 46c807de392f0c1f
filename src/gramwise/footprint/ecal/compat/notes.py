"""What an authors' tool does in silence with a document: sentences for a reader, beside the answer and never in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import configured, pypi
from .inputs import Schema, read

_SCHEMAS: dict[str, Schema] = {
    "legacy": configured.LEGACY,
    "multihop": configured.MULTIHOP,
    "pypi": pypi.PYPI,
}


def notes(tool: str, inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """Sentences about one document that `run` has answered.

    Args:
        tool: as for `run`.
        inputs: likewise; one configuration.

    Returns:
        One sentence for each silent effect that touches the answer; empty for a tool without any known.

    Raises:
        ConfigError: as `run`.
    """
    if tool not in _SCHEMAS:
        return ()
    v = read(_SCHEMAS[tool], inputs)
    found = _about_pypi(v) if tool == "pypi" else _about_configuration(tool, v)
    return tuple(note for note in found if note)


def _about_pypi(v: Mapping[str, Any]) -> list[str]:
    params: dict[str, Any] = {
        key: field.default if (given := (v["model_params"] or {}).get(key)) is None else given
        for key, field in pypi.MODEL_PARAMS[v["model_type"]].items()
    }
    bare = v["hardware"] is None and v["processor_flops_per_second"] is None
    return [
        _heads(params["embedding_size"], params["num_heads"]) if v["model_type"] == "Transformer" else "",
        "The width of the output is not read." if "dout" in params else "",
        _last_hop(len(v["transmission_hops"] or ())),
        "Without hardware, data is prepared 1000 times slower than anything else is computed."
        if bare
        else "",
    ]


def _about_configuration(tool: str, v: Mapping[str, Any]) -> list[str]:
    name, multihop = v["MODEL_NAME"], tool == "multihop"
    counted = not multihop and not (name == "KAN" or name.endswith("Transformer"))
    batch = configured.shape_of(v["INPUT_SIZE"])[0] if counted else 1
    return [
        _heads(v["EMBEDDING_SIZE"], v["NUM_HEADS"]) if name.endswith("Transformer") else "",
        "The toy network has its own fixed shape; only INPUT_SIZE is read."
        if name in ("SimpleMLP", "SimpleCNN")
        else "",
        f"INPUT_SIZE holds a batch of {batch}, which multiplies the work of one sample." if batch > 1 else "",
        "Development data is sent over the last hop twice." if multihop else "",
        _last_hop(len(v["TRANSMISSON_HOPS"])) if multihop else "",
    ]


def _heads(width: int, heads: int) -> str:
    lost = width % heads
    return f"{heads} heads do not divide a width of {width}: {lost} of it is lost in silence." if lost else ""


def _last_hop(hops: int) -> str:
    return f"Inference data crosses the last of {hops} hops only." if hops > 1 else ""
