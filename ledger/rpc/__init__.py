"""The gRPC edge: messages to commands, refusals to statuses, questions to answers. It decides nothing."""
