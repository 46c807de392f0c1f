"""HTTP/1.1 for the data path: a server and a client over one event loop that never decode a body."""
