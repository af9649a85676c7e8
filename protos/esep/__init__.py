"""The packages of the contract."""
