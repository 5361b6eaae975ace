"""Proof that a bundle does what training did: golden vectors, rollouts, closed loop."""
