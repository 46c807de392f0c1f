"""Meters, one file each: a class that keeps the `Meter` protocol of core and ends its file as ``PLUGIN``."""
