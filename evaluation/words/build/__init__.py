"""How the descriptions and their truths were made; `freeze` writes the files."""
