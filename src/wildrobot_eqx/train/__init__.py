"""Train: the loop around a learner, the trainers, figures, and a clean stop."""
