"""One policy a file, found by name; see `gramwise.core.plugins`. Add yours with one file and one test."""
