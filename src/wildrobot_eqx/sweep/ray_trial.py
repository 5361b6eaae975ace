"""What Ray's workers do: a trial as Tune sees it, and one command. They import this file: it loads no JAX."""

import subprocess
from typing import Any

from ray import tune

from .folder import SweepFolder
from .process import TrialProcess, program_of

NUMBER = "number"


class RayTrial(tune.Trainable):
    """Each step waits for the next figure of a training in a process of its own."""

    process: TrialProcess

    def setup(self, config: dict[str, Any]) -> None:
        """Start the training."""
        how = (config["metric"], config["extra"], config["cores"], config["gpus"], config["cwd"], config["program"])
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


def run_command(arguments: list[str], cores: int, cwd: str, log: str, program: list[str] | None) -> int:
    """Run one command of `wildrobot-eqx` to its end; returns its exit status, what it prints goes to a file."""
    with open(log, "wb") as file:
        done = subprocess.run(
            [*(program or program_of(cores)), *arguments],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return done.returncode
