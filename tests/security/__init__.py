"""Who may do what, tried over gRPC."""
