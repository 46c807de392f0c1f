"""Serving a fleet over the Open Inference Protocol: the gateway in front, the node behind, the ledger beside them."""
