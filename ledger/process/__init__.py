"""What a server does by itself beside answering: carrying money between partitions."""
