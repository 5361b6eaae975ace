"""A hidden robot: another robot than its model says, in simulation, behind the same buses and the same IMU.

It stands in for hardware. Tools under test see its serial ports and nothing else of it.
"""
