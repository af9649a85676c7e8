"""The gRPC edge, over real gRPC on loopback, before a real engine, log and projections."""
