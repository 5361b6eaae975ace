"""Helpers around MuJoCo itself: pictures, contacts, kinematics."""
