"""``esep audit``: one command per file."""
