"""The half that may be looked at while building."""
