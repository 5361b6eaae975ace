"""Options that make a run of the hopper last a second or two."""

ITERATIONS = 40
TINY = [
    "--num-envs=16",
    f"--steps={16 * 8 * ITERATIONS}",
    "--set=ppo.unroll_length=8",
    "--set=ppo.hidden=[16]",
    "--set=ppo.reset_pool=8",
]
