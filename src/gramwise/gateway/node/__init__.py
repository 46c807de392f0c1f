"""A light inference server for ONNX models: the Open Inference Protocol in front, onnxruntime behind, joules beside."""

from .server import Listening, run_node
from .settings import Settings

__all__ = ["Listening", "Settings", "run_node"]
