"""Deciding recorded requests again, with the state, the inputs and the rules of their moment."""
