"""What hardware cost before it was switched on: dies, memory, parts, boards, devices, in three tiers of certainty."""
