"""A trial: an env run for seconds under zero, random and extreme actions, and what that shows."""

from .judge import Remark as Remark
from .trial import Trial as Trial
from .trial import run_trial as run_trial
