"""Bring-up of a real robot: its hardware.toml, calibration, excitation."""
