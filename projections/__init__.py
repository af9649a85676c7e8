"""Tables for questions, made from the log: they can always be dropped, made again and compared."""
