"""Tables, models and held-out images that ship with gramwise; every value names its source."""
