"""The control API: ledger, fleet, plans from words, grid intensities and metrics, on a listener of its own."""
