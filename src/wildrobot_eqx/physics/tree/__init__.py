"""The tree engine: reduced-coordinate rigid-body dynamics in JAX alone."""

from .physics import TreePhysics as TreePhysics
