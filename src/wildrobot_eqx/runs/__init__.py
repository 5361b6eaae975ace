"""Runs: recipes, the run folder, the training loop, evaluation and report."""

from .gate import AbstractGate as AbstractGate
from .gate import GateResult as GateResult
from .gate import WalkGate as WalkGate
from .motions import Motion as Motion
from .recipe import Recipe as Recipe
from .recipe import RecipeFunction as RecipeFunction
from .recipe import load_recipe as load_recipe
from .recipe import recipe as recipe
from .stand_gate import StandGate as StandGate
