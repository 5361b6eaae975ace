"""Train the hopper with Stable-Baselines3, a public learner that knows nothing of us but Gymnasium's vector env.

pip install 'wildrobot-eqx[gymnasium]' stable-baselines3
python docs/examples/gymnasium_hopper.py --steps 300000
"""

import argparse
import sys

import numpy as np

import wildrobot_eqx as we
from wildrobot_eqx.adapters import GymnasiumVectorEnv

try:
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.evaluation import evaluate_policy
    from stable_baselines3.common.vec_env import VecEnv, VecMonitor, VecNormalize
except ModuleNotFoundError as missing:
    print(f"There is no module {missing.name!r} here; try: pip install stable-baselines3", file=sys.stderr)
    sys.exit(2)


class StableBaselinesEnv(VecEnv):
    """Stable-Baselines3's own kind of vector env, which keeps each episode's true last observation in `infos`."""

    def __init__(self, envs: GymnasiumVectorEnv):
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self):
        obs, _ = self.envs.reset(seed=self._seeds)
        self._reset_seeds()
        return obs

    def step_async(self, actions):
        self.actions = actions

    def step_wait(self):
        obs, reward, terminated, truncated, info = self.envs.step(self.actions)
        infos = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(terminated | truncated):
            infos[i] = {"terminal_observation": info["final_obs"][i], "TimeLimit.truncated": bool(truncated[i])}
        return obs, reward.astype(np.float32), terminated | truncated, infos

    def close(self):
        self.envs.close()

    def get_attr(self, attr_name, indices=None):
        return [getattr(self.envs, attr_name)] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        raise NotImplementedError("the robots share one env")

    def env_method(self, method_name, *args, indices=None, **kwargs):
        raise NotImplementedError("the robots share one env")

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs


options = argparse.ArgumentParser(description="Train the hopper with Stable-Baselines3.")
options.add_argument("--steps", type=int, default=300_000)
options.add_argument("--num-envs", type=int, default=64)
options.add_argument("--seed", type=int, default=0)
given = options.parse_args()

torch.set_num_threads(1)
env = we.load_recipe("hop")().env
envs = VecNormalize(VecMonitor(StableBaselinesEnv(GymnasiumVectorEnv(env, given.num_envs))), gamma=0.97)
learner = PPO(
    "MlpPolicy",
    envs,
    n_steps=32,
    batch_size=512,
    n_epochs=5,
    gamma=0.97,
    gae_lambda=0.9,
    learning_rate=1e-3,
    policy_kwargs={"log_std_init": -1.0, "net_arch": [64, 64]},
    seed=given.seed,
    device="cpu",
)


def judged() -> tuple[float, float]:
    """Mean return and length of 64 episodes under the policy's mean action, rewards as the env pays them."""
    envs.training = envs.norm_reward = False
    returns, lengths = evaluate_policy(learner, envs, n_eval_episodes=64, return_episode_rewards=True)
    envs.training = envs.norm_reward = True
    return float(np.mean(returns)), float(np.mean(lengths)) * env.physics.control_dt


for steps in (0, given.steps):
    if steps:
        learner.learn(steps)
    mean, seconds = judged()
    print(f"after {learner.num_timesteps} steps: return {mean:.2f}, episodes of {seconds:.1f} s")
envs.close()
