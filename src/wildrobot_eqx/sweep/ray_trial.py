"""A trial as Ray Tune sees it. Workers import this file: it loads no JAX."""

from typing import Any

from ray import tune

from .folder import SweepFolder
from .process import TrialProcess

NUMBER = "number"


class RayTrial(tune.Trainable):
    """Each step waits for the next figure of a training in a process of its own."""

    process: TrialProcess

    def setup(self, config: dict[str, Any]) -> None:
        """Start the training."""
        how = (config["metric"], config["extra"], config["cores"], config["gpus"], config["cwd"])
        self.process = TrialProcess(SweepFolder(config["folder"]), config[NUMBER], *how)
        self.process.start()

    def step(self) -> dict[str, Any]:
        """Wait for the next figure, or for some seconds.

        Raises:
            RuntimeError: the training failed.
        """
        report = self.process.next()
        if report["done"]:
            trial = self.process.outcome()
            if trial.status == "failed":
                raise RuntimeError(trial.message)
        return report

    def cleanup(self) -> None:
        """End the training, which saves a checkpoint first."""
        self.process.stop()
