"""Puts cases of eCAL to gramwise: any part of a case file, under the authors' names, and no case by name.

`run_case` takes the inputs of a case, or the case itself: keys that are answers are left aside. The file is
``../shared/cases/ecal.json`` beside the repository, or ``$GRAMWISE_CASES/ecal.json``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gramwise.footprint.ecal import compat
from gramwise.footprint.ecal.compat import flops
from gramwise.footprint.ecal.compat.inputs import FAILURE, Schema, read
from gramwise.footprint.ecal.compat.stack import LAYERS, in_order, stack, walk
from gramwise.footprint.ecal.compat.stages import (
    Machine,
    energy_j,
    preprocessing_flop,
    training_flop,
    training_samples,
)

CASES = Path(os.environ.get("GRAMWISE_CASES") or Path(__file__).parents[2] / ".." / "shared" / "cases")
FILE = CASES / "ecal.json"

REFERENCE = Machine(1e10, 140)
"""The machine that the component cases name in their keys: 1e10 FLOP/s, 140 W."""

ABOUT = {"id", "note", "intermediate", "error"}
"""Keys that say something about a case and are neither asked nor answered."""

ANSWERS = {
    "outputs", "total_energy_J", "wire_bits_single", "total_bits_with_retx", "layer_energy_J", "flops",
    "energy_J_at_1e10FLOPS_140W", "training_flops", "evaluation_flops", "training_J_at_1e10FLOPS_140W",
    "evaluation_J_at_1e10FLOPS_140W", "c_pre", "c_dec", "energy_J", "latency_s", "e_tx_J", "e_tx_incremental_J",
}  # fmt: skip
"""Keys of the answers, where inputs and answers stand side by side."""


def run_case(tool: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a case.

    Args:
        tool: ``legacy``, ``pypi``, ``multihop``, ``historical``, ``agentic``; or a component: ``transmission``,
            ``preprocessing``, ``model_flops``, ``training``.
        inputs: of the case, or the whole case; ``overrides`` count as inputs.

    Returns:
        The authors' output names.

    Raises:
        ConfigError: what the authors' tool crashes on, and bad input.
    """
    asked = {k: v for k, v in inputs.items() if k not in ABOUT | ANSWERS}
    for wrapper in ("inputs", "overrides"):
        if isinstance(asked.get(wrapper), Mapping):
            asked = dict(asked[wrapper])
    return COMPONENTS[tool](asked) if tool in COMPONENTS else dict(compat.run(tool, asked))


def _transmission(asked: Mapping[str, Any]) -> dict[str, Any]:
    through = stack(tuple(asked["stack"][layer] for layer in LAYERS))
    energies, bits = walk(through, asked["payload_bits"])
    loss = read(Schema({"failure_rate": FAILURE}), {"failure_rate": asked["failure_rate"]})
    times = 1 / (1 - loss["failure_rate"])
    return {
        "total_energy_J": in_order(energies) * times,
        "wire_bits_single": bits,
        "total_bits_with_retx": bits * times,
        "layer_energy_J": dict(zip(LAYERS, energies, strict=True)),
    }


def _preprocessing(asked: Mapping[str, Any]) -> dict[str, Any]:
    flop = preprocessing_flop(asked["type"], asked["num_samples"], asked["sample_size"])
    return {"flops": flop, "energy_J_at_1e10FLOPS_140W": energy_j(flop, REFERENCE)}


_MODELS: dict[str, Callable[..., Any]] = {
    "KAN": flops.kan,
    "Transformer": flops.transformer,
    "MLP_pypi": flops.mlp,
    "CNN_pypi": lambda N_f=3, **sizes: flops.cnn(n_f=N_f, **sizes),  # noqa: N803 (the authors' name)
    "SimpleMLP_calflops": lambda batch=1, **sizes: flops.simple_mlp(batch, **sizes),
    "SimpleCNN_calflops": lambda length, batch=1, **sizes: flops.simple_cnn(batch, length, **sizes),
}


def _model_flops(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {"flops": _MODELS[asked["model"]](**{k: v for k, v in asked.items() if k != "model"})}


def _training(asked: Mapping[str, Any]) -> dict[str, Any]:
    seen, held_out = training_samples(
        asked["strategy"], asked["num_samples"], asked["k_folds"], asked["split_ratio"]
    )
    trained = training_flop(asked["forward_flops"], seen, asked["num_epochs"])
    evaluated = asked["forward_flops"] * held_out
    return {
        "training_flops": trained,
        "evaluation_flops": evaluated,
        "training_J_at_1e10FLOPS_140W": energy_j(trained, REFERENCE),
        "evaluation_J_at_1e10FLOPS_140W": energy_j(evaluated, REFERENCE),
    }


COMPONENTS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "transmission": _transmission,
    "preprocessing": _preprocessing,
    "model_flops": _model_flops,
    "training": _training,
}
