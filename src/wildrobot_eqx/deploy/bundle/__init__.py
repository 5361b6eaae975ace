"""A policy bundle as data: archive, contract, schema. The standard library and NumPy only."""
