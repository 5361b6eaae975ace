"""Many trainings of one recipe: what to try, who runs it, and what came of it."""
