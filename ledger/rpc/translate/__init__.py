"""Between messages and the domain, one module per noun: requests to commands, and what they did to answers."""
