"""From a description in plain words to a typed problem: reading, formulators, dialogue."""
