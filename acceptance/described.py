"""The Open Inference Protocol's OpenAPI description as it comes with MLServer, made to say what the text says.

MLServer's package carries the description (Apache-2.0, ``mlserver/rest/openapi/dataplane.json``). It is read where it
is installed, and changed here in memory: calls of MLServer alone are left out, the parameters get the types that the
protocol's text gives them, and every refusal is described as the protocol's error object, which a generated request
without a documented answer would otherwise be counted against.
"""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

OF_MLSERVER = ("infer_stream", "generate", "generate_stream")
"""Last parts of paths that the protocol does not have."""

OPEN = ("/v2/health/live", "/v2/health/ready")
"""Calls that need no token."""

_REFUSED = {
    "description": "The protocol's error object.",
    "content": {
        "application/json": {
            "schema": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
        }
    },
}
_SCALAR = {
    "anyOf": [
        {"type": "string"},
        {"type": "number", "minimum": -(2**63), "maximum": 2**64 - 1},
        {"type": "boolean"},
    ]
}
ELEMENTS = 3
LARGEST = math.nextafter((2 - 2**-24) * 2.0**127, 0)
"""The largest number that FP32 holds, rounded; one step further is infinity."""


def protocol(environment: Path, model: str) -> dict[str, Any]:
    """The description of a server with one model, so narrow that what it allows must be answered with 200.

    Args:
        environment: where MLServer's package is installed.
        model: that the server has, in version 1, with an input ``x`` and an output ``y`` of FP32 elements in a row.

    Raises:
        FileNotFoundError: no such package there.
    """
    found = next(environment.glob("lib/python3*/site-packages/mlserver/rest/openapi/dataplane.json"), None)
    if found is None:
        raise FileNotFoundError(f"no mlserver/rest/openapi/dataplane.json below {environment}")
    told: dict[str, Any] = copy.deepcopy(json.loads(found.read_text("utf-8")))
    told["paths"] = {
        path: each for path, each in told["paths"].items() if path.rpartition("/")[2] not in OF_MLSERVER
    }
    schemas = told["components"]["schemas"]
    schemas["Parameters"] = {"type": "object", "additionalProperties": _SCALAR, "nullable": True}
    schemas["MetadataTensor"]["properties"]["datatype"] = {"type": "string"}
    schemas["ResponseOutput"]["properties"]["datatype"] = {"type": "string"}
    _narrow(schemas)
    told["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    names = {"model_name": [model], "model_version": ["1"]}
    for path, operations in told["paths"].items():
        for parameter in operations.pop("parameters", []):
            parameter["schema"] = {"type": "string", "enum": names[parameter["name"]]}
            for operation in operations.values():
                operation.setdefault("parameters", []).append(parameter)
        for operation in operations.values():
            _complete(operation, is_open=path in OPEN)
    return told


def _narrow(schemas: dict[str, Any]) -> None:
    """One input of the model's own name, shape and datatype; nothing that two readers of JSON read differently."""
    element = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
    row = {"type": "array", "items": element, "minItems": ELEMENTS, "maxItems": ELEMENTS}
    schemas["TensorData"] = row
    request = schemas["InferenceRequest"]["properties"]
    request["inputs"].update(minItems=1, maxItems=1)
    request["outputs"].update(maxItems=1, nullable=True)
    request["id"].update(maxLength=1024, nullable=True)
    given = schemas["RequestInput"]["properties"]
    given["name"] = {"enum": ["x"]}
    given["datatype"] = {"enum": ["FP32"]}
    given["shape"] = {"enum": [[ELEMENTS]]}
    schemas["RequestOutput"]["properties"]["name"] = {"enum": ["y"]}


def _complete(operation: dict[str, Any], *, is_open: bool) -> None:
    """Every refusal has the protocol's shape, and all but the probes ask for the token."""
    if "requestBody" in operation:
        operation["requestBody"]["required"] = True
    answers = operation["responses"]
    for status in [each for each in answers if each[0] in "45"]:
        del answers[status]
    answers["4XX"] = answers["503"] = _REFUSED
    if not is_open:
        operation["security"] = [{"token": []}]
