"""Options that make a run of the hopper last a second or two."""

from helpers import shifted

ITERATIONS = 40
SEED = shifted(0)
TINY_BRAX = [
    f"--seed={SEED}",
    "--num-envs=16",
    f"--steps={16 * 8 * ITERATIONS}",
    "--set=learner.unroll_length=8",
    "--set=learner.hidden=[16]",
]
TINY = [*TINY_BRAX, "--set=learner.reset_pool=8"]
