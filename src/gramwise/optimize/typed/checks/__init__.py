"""The passes of the validator, each a pure function from a bound problem to findings."""
