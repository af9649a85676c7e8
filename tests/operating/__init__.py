"""What operators are told to do, done: the commands are those of the documentation."""
