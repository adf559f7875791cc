//! HTTP and WebSockets, both ways: handshakes, limits, tokens, fan-out
