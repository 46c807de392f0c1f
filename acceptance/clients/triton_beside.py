"""Our gRPC messages and tritonclient's in one process: neither may end it, and each reads what the other writes."""

from __future__ import annotations

import sys
from pathlib import Path

import tritonclient.grpc as triton
from checks import Checks, Target, near, target
from tritonclient.grpc import service_pb2

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
from gramwise.gateway.oip.grpc_tensors import read_arrays
from gramwise.gateway.oip.messages import decode, message


def main() -> None:
    """Every check, then the exit code."""
    at, checks = target(), Checks("triton_beside")
    checks.run("ours reads theirs", lambda: _theirs(at))
    checks.run("theirs reads ours", lambda: _ours(at))
    checks.run("their client still works", lambda: triton.InferenceServerClient(at.grpc).is_server_live())
    checks.end()


def _theirs(at: Target) -> None:
    request = service_pb2.ModelInferRequest(model_name=at.model)
    request.inputs.add(name=at.input, datatype="FP32", shape=at.given.shape)
    request.raw_input_contents.append(at.given.tobytes())
    request.parameters["deadline_ms"].int64_param = 100
    found = decode("ModelInferRequest", request.SerializeToString())
    near(read_arrays(found)[at.input], at.given)
    assert found.parameters["deadline_ms"].int64_param == 100, found.parameters


def _ours(at: Target) -> None:
    reply = message("ModelInferResponse")(model_name=at.model, id="7")
    reply.parameters["energy_joules"].double_param = 0.25
    reply.raw_output_contents.append(at.expected.tobytes())
    found = service_pb2.ModelInferResponse.FromString(reply.SerializeToString())
    assert (found.model_name, found.id) == (at.model, "7"), found
    assert found.parameters["energy_joules"].double_param == 0.25, found.parameters
    assert found.raw_output_contents[0] == at.expected.tobytes()


if __name__ == "__main__":
    main()
