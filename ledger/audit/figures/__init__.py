"""The figures of accounts, made anew from the events: explained one by one, and compared between two moments."""
