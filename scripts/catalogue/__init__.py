"""The tables from which the shipped catalogue of services is generated: what a person reads and corrects."""
