"""The half that nobody who builds a formulator may look at."""
