"""Logs of a robot or of a simulation: every control step, in an MCAP file that Foxglove and Rerun open."""
