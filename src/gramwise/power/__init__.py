"""Joules, read or predicted: meters, CPU clocks of nodes, the model used without a meter, and doctor."""
