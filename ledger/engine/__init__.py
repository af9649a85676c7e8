"""The engine: decides every request of a partition, one after another, and makes the outcomes durable."""
