"""Ways to place layers on nodes, one file each, found by name (see `gramwise.partition.problem.Partitioner`)."""
