"""The gateway's front: requests come in over two faces, go where they cost the fewest grams, and are accounted for."""
