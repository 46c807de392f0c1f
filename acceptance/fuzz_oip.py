"""Fuzz the decoding of tensors over HTTP and gRPC with atheris: whatever comes, only a clean `BadRequest` may leave.

Beyond that, what was read must be what was sent: tensors that were read survive being written and read again, and
fields that the gateway adds to a message or a head change nothing else in it.

Usage: ``fuzz_oip.py INPUTS [--seconds S] [--corpus DIR]`` in an environment with atheris and the base libraries.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["gramwise.gateway.oip"]):
    import gramwise.gateway.oip.head
    from gramwise.gateway.oip.ask import read_ask
    from gramwise.gateway.oip.datatypes import DATATYPES
    from gramwise.gateway.oip.errors import BadRequest, error_body, grpc_code
    from gramwise.gateway.oip.grpc_tensors import CONTENTS, read_arrays, write_arrays
    from gramwise.gateway.oip.head import read_json_size, read_reply_head, read_request_head
    from gramwise.gateway.oip.messages import decode, message
    from gramwise.gateway.oip.metadata import read_model_metadata, read_server_metadata
    from gramwise.gateway.oip.paths import route
    from gramwise.gateway.oip.scan import model_bytes, parameters_bytes, scan_reply, scan_request
    from gramwise.gateway.oip.tensors import read_tensors, write_reply, write_request
    from gramwise.gateway.oip.told import put_parameters

import numpy as np

KINDS = list(DATATYPES)
NO_KINDS = ["fp32", "", "COMPLEX"]
LENGTHS = [0, 1, 2, 3, 4]
NO_LENGTHS = [-1, 255, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, 10**30]
NUMBERS = ["0", "1", "1.5", "-1", "255", "1e39", "65520", "18446744073709551615"]
VALUES = [*NUMBERS, "true", "false", '"x"', '"1.5"', '"nan"']
NO_VALUES = ["null", "1e400", "NaN", "[1]", "[[1],[2,3]]", "{}", "1" * 400, '"\\ud800"']
NO_NAMES = ["", "\x00", "é" * 50, "x0"]
KNOWN = ["deadline_ms", "accuracy_floor_frac", "defer_until_unix_s", "binary_data_output", "other"]
ODD_ONE_IN = 12
"""Of the choices that make a request, so many to one are ones that a request may have."""

MOST_ELEMENTS = 4096
"""Tensors up to this size are written and read again; larger ones are only read."""


gramwise.gateway.oip.head._LARGE_BYTES = 0  # so that small bodies, too, are read along with their elements


class Broken(AssertionError):
    """What was read is not what was sent."""


def main() -> None:
    """Run so many inputs, or so many seconds; a finding ends the process with atheris' own report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("inputs", type=int, help="how many inputs at most")
    parser.add_argument("--seconds", type=int, default=0, help="stop after so long; 0 for never")
    parser.add_argument("--corpus", type=Path, default=Path("build/acceptance/fuzz_corpus"))
    told = parser.parse_args()
    told.corpus.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (told.corpus / name).write_bytes(data)
    findings = told.corpus.with_name("fuzz_findings")
    findings.mkdir(exist_ok=True)
    flags = [
        f"-runs={told.inputs}",
        f"-max_total_time={told.seconds}",
        "-max_len=2048",
        "-timeout=20",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        f"-artifact_prefix={findings}/",
    ]
    print(f"fuzzing since {time.strftime('%H:%M:%S')}", flush=True)
    atheris.Setup([sys.argv[0], *flags, str(told.corpus)], one_input)
    atheris.Fuzz()


def one_input(data: bytes) -> None:
    """Feed one input to the reader that its first byte picks."""
    if not data:
        return
    target = TARGETS[data[0] % len(TARGETS)]
    try:
        target(data[1:])
    except BadRequest as refusal:
        if not 400 <= refusal.status <= 599 or not refusal.sentence:
            raise Broken(f"{refusal.status} {refusal.sentence!r}") from refusal
        if json.loads(error_body(refusal.sentence)).keys() != {"error"} or grpc_code(refusal.status) < 1:
            raise Broken("the error's own body") from refusal


def http_bytes(data: bytes) -> None:
    """A body as it may come: the first two bytes tell the head's size, or that there is none."""
    if len(data) < 2:
        return
    size = int.from_bytes(data[:2], "little")
    _http(data[2:], None if size == 0xFFFF else size)


def http_made(data: bytes) -> None:
    """A head that is nearly right, with lies in it, and tensors that may fit it."""
    given = atheris.FuzzedDataProvider(data)
    inputs, tail = [], b""
    for index in range(given.ConsumeIntInRange(0, 3)):
        text, raw = _made_tensor(given, index)
        inputs.append(text)
        tail += raw
    head = '{"inputs":[' + ",".join(inputs) + "]"
    if given.ConsumeBool():
        pairs = (f'"{given.PickValueInList(KNOWN)}":{_mostly(given, VALUES, NO_VALUES)}' for _ in range(2))
        head += ',"parameters":{' + ",".join(pairs) + "}"
    if given.ConsumeBool():
        head += ',"id":' + _mostly(given, ['"7"', "null"], NO_VALUES)
    if given.ConsumeBool():
        head += ',"outputs":[{"name":' + json.dumps(_mostly(given, ["x0", "x1"], NO_NAMES)) + "}]"
    encoded = (head + "}").encode("utf-8", "surrogatepass")
    lie = _mostly(given, [0], [1, -1, 100])
    _http(encoded + tail, len(encoded) + lie if tail or given.ConsumeBool() else None)


def http_line(data: bytes) -> None:
    """What surrounds a body: path, size header, metadata, and a node's answer."""
    for read in (
        lambda: route(b"GET", data),
        lambda: route(b"POST", b"/v2/models/" + data),
        lambda: read_json_size(data),
        lambda: read_server_metadata(data),
        lambda: read_model_metadata(data),
        lambda: read_tensors(read_reply_head(data)),
        lambda: read_reply_head(data, data[0] if data else 0),
    ):
        try:
            read()
        except BadRequest:
            continue


def grpc_bytes(data: bytes) -> None:
    """A message as it may come."""
    _grpc(data)


def grpc_made(data: bytes) -> None:
    """A message that protobuf reads, with lies in it."""
    given = atheris.FuzzedDataProvider(data)
    request = message("ModelInferRequest")(model_name=_mostly(given, ["m"], ["", "a/b", "m" * 300]))
    raw = given.ConsumeBool()
    for index in range(given.ConsumeIntInRange(0, 3)):
        tensor = request.inputs.add(
            name=_mostly(given, [f"x{index}"], NO_NAMES),
            datatype=_mostly(given, KINDS, NO_KINDS),
            shape=[min(each, 2**63 - 1) for each in _shape(given)],
        )
        if raw != _odd(given):
            request.raw_input_contents.append(_raw(given, tensor.datatype, tensor.shape))
        else:
            _fill(given, tensor)
    for name in KNOWN[: given.ConsumeIntInRange(0, 4)]:
        request.parameters[name].double_param = given.ConsumeFloat()
    if given.ConsumeBool():
        request.parameters["none"].SetInParent()
    _grpc(request.SerializeToString() + (given.ConsumeBytes(16) if _odd(given) else b""))


TARGETS = (http_bytes, http_made, http_line, grpc_bytes, grpc_made)


def _http(body: bytes, size: int | None) -> None:
    head = read_request_head(body, size, len(body))
    json_part = body if size is None else body[:size]
    try:
        told = put_parameters(json_part, {"deadline_ms": 5.0})
        again = read_request_head(told, None if size is None else len(told))
    except BadRequest as refusal:
        if "parameters" not in refusal.sentence:
            raise Broken("a head that was read cannot be read with a parameter more") from refusal
    else:
        same = [(each.name, each.datatype, each.shape) for each in head.inputs]
        if same != [(each.name, each.datatype, each.shape) for each in again.inputs] or head.id != again.id:
            raise Broken("a parameter more changed the inputs")
    read_ask(head.parameters)
    arrays = read_tensors(head, b"" if size is None else body[size:])
    if size is None:
        _same(arrays, read_tensors(read_request_head(body, elements=True)))
    for tensor in head.inputs:
        if arrays[tensor.name].shape != tuple(tensor.shape):
            raise Broken("an array of another shape than its head says")
    if sum(array.size for array in arrays.values()) <= MOST_ELEMENTS:
        json_head, tail = write_request(arrays)
        back = read_tensors(read_request_head(json_head, len(json_head)), b"".join(tail))
        _same(arrays, back)
        write_reply(arrays, model="m", version="1", request=head)


def _grpc(encoded: bytes) -> None:
    told = scan_request(encoded)
    request = decode("ModelInferRequest", encoded)
    if (told.model, told.id, len(told.inputs)) != (request.model_name, request.id, len(request.inputs)):
        raise Broken("the scan read another message than protobuf")
    longer = decode(
        "ModelInferRequest", encoded + model_bytes("other") + parameters_bytes({"deadline_ms": 5.0})
    )
    if longer.model_name != "other" or longer.parameters["deadline_ms"].double_param != 5.0:
        raise Broken("appended fields were not taken")
    if list(longer.raw_input_contents) != list(request.raw_input_contents):
        raise Broken("appended fields changed the tensors")
    read_ask(told.parameters)
    arrays = read_arrays(request)
    if sum(array.size for array in arrays.values()) <= MOST_ELEMENTS:
        reply = write_arrays(arrays, model="m", version="1", parameters={"energy_joules": 0.5})
        if scan_reply(reply) != {"energy_joules": 0.5}:
            raise Broken("parameters of an answer")
        _same(arrays, read_arrays(decode("ModelInferResponse", reply)))


def _same(sent: dict[str, np.ndarray], back: dict[str, np.ndarray]) -> None:
    for name, array in sent.items():
        other = back[name]
        alike = (array.shape, array.dtype) == (other.shape, other.dtype)
        if array.dtype == object:
            alike &= array.reshape(-1).tolist() == other.reshape(-1).tolist()
        else:
            alike &= array.tobytes() == other.tobytes()
        if not alike:
            raise Broken(f"{array!r} came back as {other!r}")


def _made_tensor(given: atheris.FuzzedDataProvider, index: int) -> tuple[str, bytes]:
    name, kind = _mostly(given, [f"x{index}"], NO_NAMES), _mostly(given, KINDS, NO_KINDS)
    shape = _shape(given)
    fields = [f'"name":{json.dumps(name)}', f'"datatype":"{kind}"', f'"shape":{json.dumps(shape)}']
    if given.ConsumeBool():
        fitting = ["true", "false"] if kind == "BOOL" else ['""', '"é"'] if kind == "BYTES" else NUMBERS
        elements = (_mostly(given, fitting, NO_VALUES) for _ in range(_count(given, shape)))
        return "{" + ",".join([*fields, f'"data":[{",".join(elements)}]']) + "}", b""
    raw = _raw(given, kind, shape)
    size = _mostly(given, [len(raw)], NO_LENGTHS)
    return "{" + ",".join([*fields, f'"parameters":{{"binary_data_size":{size}}}']) + "}", raw


def _shape(given: atheris.FuzzedDataProvider) -> list[int]:
    count = _mostly(given, [0, 1, 2, 3], [4, 33, 70])
    return [_mostly(given, LENGTHS, NO_LENGTHS) for _ in range(count)]


def _count(given: atheris.FuzzedDataProvider, shape: list[int]) -> int:
    """As many elements as the shape has, where those are few; or not."""
    count = 1
    for size in shape:
        count *= size
    return count if 0 <= count <= 64 and not _odd(given) else given.ConsumeIntInRange(0, 9)


def _raw(given: atheris.FuzzedDataProvider, kind: str, shape: list[int]) -> bytes:
    about = DATATYPES.get(kind)
    count = _count(given, shape)
    if about is None or about.item_bytes is None:
        parts = [given.ConsumeBytes(given.ConsumeIntInRange(0, 3)) for _ in range(count)]
        return b"".join((len(part) + _odd(given)).to_bytes(4, "little") + part for part in parts)
    return given.ConsumeBytes(count * about.item_bytes).ljust(count * about.item_bytes, b"\0")


def _fill(given: atheris.FuzzedDataProvider, tensor: Any) -> None:
    """The typed contents, mostly in the field that is the datatype's."""
    count = _count(given, list(tensor.shape))
    field = _mostly(given, [CONTENTS.get(tensor.datatype, "fp32_contents")], list(set(CONTENTS.values())))
    whole = given.ConsumeIntInRange(0, 2**31 - 1)
    element = b"a" if field == "bytes_contents" else bool(whole % 2) if field == "bool_contents" else whole
    getattr(tensor.contents, field).extend([element] * count)


def _mostly(given: atheris.FuzzedDataProvider, good: list[Any], bad: list[Any]) -> Any:
    return given.PickValueInList(bad if _odd(given) else good)


def _odd(given: atheris.FuzzedDataProvider) -> bool:
    return given.ConsumeIntInRange(1, ODD_ONE_IN) == ODD_ONE_IN


def seeds() -> dict[str, bytes]:
    """Good requests of every datatype, so that the fuzzer starts inside and not before the door."""
    found = {}
    for kind, about in DATATYPES.items():
        if about.numpy is None:
            continue
        array = np.array([b"a", b"bc"], object) if kind == "BYTES" else np.ones((2, 1), about.numpy)
        head, tail = write_request({"x": array}, id="7", parameters={"deadline_ms": 100})
        size = len(head).to_bytes(2, "little")
        found[f"http_{kind}"] = b"\x00" + size + head + b"".join(tail)
        text = json.dumps({"inputs": [{"name": "x", "datatype": kind, "shape": [2], "data": _some(kind)}]})
        found[f"json_{kind}"] = b"\x00\xff\xff" + text.encode()
        found[f"grpc_{kind}"] = b"\x03" + _message(kind, array)
    found["reply"] = b'\x02{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[1]}]}'
    found["path"] = b"\x02m/versions/1/infer"
    return found


def _some(kind: str) -> list[object]:
    return ["a", "b"] if kind == "BYTES" else [True, False] if kind == "BOOL" else [1, 2]


def _message(kind: str, array: np.ndarray) -> bytes:
    request = message("ModelInferRequest")(model_name="m", id="7")
    request.inputs.add(name="x", datatype=kind, shape=array.shape)
    raw = b"\x01\x00\x00\x00a\x02\x00\x00\x00bc" if kind == "BYTES" else array.tobytes()
    request.raw_input_contents.append(raw)
    request.parameters["deadline_ms"].int64_param = 100
    encoded: bytes = request.SerializeToString()
    return encoded


if __name__ == "__main__":
    main()
