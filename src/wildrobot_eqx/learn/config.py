"""Hyperparameters of PPO."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class PPOConfig:
    """Hyperparameters, by the names of the paper and of Brax where it has them."""

    num_envs: int = 128
    unroll_length: int = 20  # control steps per env and iteration
    num_epochs: int = 5
    num_minibatches: int = 4  # each holds whole sequences of some envs
    learning_rate: float = 1e-3
    decay_steps: int | None = None  # control steps over which a fixed learning rate falls to a tenth
    desired_kl: float | None = None  # adapts the learning rate instead
    max_learning_rate: float = 3e-3  # of an adaptive one
    discount: float = 0.95
    gae_lambda: float = 0.8
    clip: float = 0.2
    entropy_cost: float = 0.0
    value_cost: float = 0.5
    max_grad_norm: float = 1.0
    init_std: float = 0.3
    hidden: tuple[int, ...] = (128, 128)
    symmetric: bool = True  # a left-right symmetric policy, where the observation has a gait clock
    reset_pool: int = 64

    @property
    def steps_per_iteration(self) -> int:
        """Control steps of one iteration over all envs."""
        return self.num_envs * self.unroll_length
