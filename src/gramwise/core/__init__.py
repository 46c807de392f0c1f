"""The nouns every layer shares: units, errors, records, series, clock, plugin look-up. Imports nothing of ours."""
