"""Conformance tests that ship: what every part must keep to, for parts written elsewhere, too."""
