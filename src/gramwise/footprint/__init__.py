"""Grams with their story: eCAL, operational prediction, embodied carbon, scaling, and the bill that sums them."""
