"""Runs: the run folder and what is in it."""
