"""Recipes: one decorated function per file, whose typed parameters are its command-line options."""

from .recipe import Recipe as Recipe
from .recipe import RecipeFunction as RecipeFunction
from .recipe import load_recipe as load_recipe
from .recipe import recipe as recipe
