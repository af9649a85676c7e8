"""The gRPC contract: proto files, and the Python generated from them, which nobody edits."""
