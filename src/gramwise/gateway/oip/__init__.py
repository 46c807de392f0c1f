"""The Open Inference Protocol v2 as pure functions of bytes: no sockets, no clock, nothing of the fleet."""
