"""The same engine in virtual time, and the fluid model for years: workloads, simulated nodes, the sweep."""
