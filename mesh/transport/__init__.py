"""Bytes in, bytes out: sealed datagrams, TLS streams between peers, and the one port that serves everyone."""
