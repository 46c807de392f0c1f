"""What a network costs before any hardware: ONNX to layers with FLOP and bytes, cuts, a model zoo."""
