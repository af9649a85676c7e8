"""Services that can be paid for: the catalogue as data, the rules of their fields, and the search among them."""
