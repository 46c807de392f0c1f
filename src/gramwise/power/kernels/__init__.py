"""Predicting what a network takes on one CPU, kernel by kernel, from kernels that were measured there."""
