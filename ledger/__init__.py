"""The engine room: the log, the engine that decides, and the gRPC edge."""
