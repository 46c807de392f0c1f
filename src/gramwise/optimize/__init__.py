"""Deciding ahead: bounds now; programs, search and words later."""
