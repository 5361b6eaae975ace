"""Robots behind the player's interface: simulated in MuJoCo, and servos on a serial bus."""
