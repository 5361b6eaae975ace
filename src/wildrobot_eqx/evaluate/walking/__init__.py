"""Walking and standing, as gates judge them: what is measured, the figures and the limits."""
