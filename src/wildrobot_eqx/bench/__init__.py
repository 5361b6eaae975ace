"""Bench: what `bench` measures."""
