"""Making a plan happen: engine, executors, caps, bench, run directory, and the composition root."""
