"""KServe's own server with an ONNX model of ours: ``kserve_node.py FILE NAME HTTP_PORT GRPC_PORT``, in its own."""

from __future__ import annotations

import sys
from typing import Any

import onnxruntime
from announce import when_ready
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.utils.numpy_codec import from_np_dtype
from kserve.utils.utils import generate_uuid


class OnnxModel(Model):
    """One session with one thread, as our node has it."""

    def __init__(self, name: str, file: str) -> None:
        super().__init__(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(file, options)
        self.ready = True

    async def get_input_types(self) -> list[dict[str, Any]]:
        """For the metadata."""
        return [_told(each) for each in self.session.get_inputs()]

    async def get_output_types(self) -> list[dict[str, Any]]:
        """For the metadata."""
        return [_told(each) for each in self.session.get_outputs()]

    def predict(
        self, payload: InferRequest, headers: Any = None, response_headers: Any = None
    ) -> InferResponse:
        """Run it; KServe calls this in the loop."""
        given = {each.name: each.as_numpy() for each in payload.inputs}
        names = [each.name for each in self.session.get_outputs()]
        outputs = []
        for name, array in zip(names, self.session.run(names, given), strict=True):
            made = InferOutput(name, list(array.shape), from_np_dtype(array.dtype))
            made.set_data_from_numpy(array, binary_data=payload.use_binary_outputs or payload.from_grpc)
            outputs.append(made)
        return InferResponse(
            payload.id or generate_uuid(), self.name, outputs, use_binary_outputs=payload.use_binary_outputs
        )


def _told(about: onnxruntime.NodeArg) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else -1 for size in about.shape]
    return {"name": about.name, "datatype": "FP32", "shape": shape}


if __name__ == "__main__":
    file, name, http_port, grpc_port = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    when_ready(http_port, grpc_port, name)
    ModelServer(http_port=http_port, grpc_port=grpc_port, workers=1).start([OnnxModel(name, file)])
