"""The typed problem: what a formulator may say, in a record that is data and never code."""
