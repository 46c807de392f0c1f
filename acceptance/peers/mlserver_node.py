"""MLServer with an ONNX model of ours: ``mlserver_node.py FILE NAME HTTP_PORT GRPC_PORT``, in its own environment."""

from __future__ import annotations

import asyncio
import sys

import numpy as np
import onnxruntime
from announce import when_ready
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor


class OnnxModel(MLModel):
    """One session with one thread, as our node has it."""

    async def load(self) -> bool:
        """Open the file that the settings name."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(self.settings.parameters.uri, options)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Run it, in the loop, as MLServer's own runtimes do."""
        given = {each.name: NumpyCodec.decode_input(each).astype(np.float32) for each in payload.inputs}
        names = [each.name for each in self.session.get_outputs()]
        outputs = [
            NumpyCodec.encode_output(name, array)
            for name, array in zip(names, self.session.run(names, given), strict=True)
        ]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)


async def main(file: str, name: str, http_port: int, grpc_port: int) -> None:
    """Serve until SIGTERM."""
    session = onnxruntime.InferenceSession(file)
    settings = Settings(
        host="127.0.0.1",
        http_port=http_port,
        grpc_port=grpc_port,
        parallel_workers=0,
        metrics_endpoint=None,
        debug=False,
    )
    model = ModelSettings(
        name=name,
        implementation=OnnxModel,
        parameters=ModelParameters(uri=file, version="1"),
        inputs=[_told(each) for each in session.get_inputs()],
        outputs=[_told(each) for each in session.get_outputs()],
    )
    when_ready(http_port, grpc_port, name)
    await MLServer(settings).start([model])


def _told(about: onnxruntime.NodeArg) -> MetadataTensor:
    shape = [size if isinstance(size, int) else -1 for size in about.shape]
    return MetadataTensor(name=about.name, datatype="FP32", shape=shape)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
