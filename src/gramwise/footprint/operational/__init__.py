"""Joules of an inference before anybody measures it, and of a device's day: a ladder, and a duty cycle."""
