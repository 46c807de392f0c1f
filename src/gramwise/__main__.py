"""``python -m gramwise``."""

from gramwise.cli import main

main()
