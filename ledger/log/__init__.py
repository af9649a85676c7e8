"""The history: an ordered, gapless sequence of events per partition, kept in SQLite or PostgreSQL."""
