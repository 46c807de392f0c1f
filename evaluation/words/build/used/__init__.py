"""Once the half for judging; it was looked at and is now to tune with."""
