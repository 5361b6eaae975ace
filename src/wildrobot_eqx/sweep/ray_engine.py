"""Trials on Ray: Tune starts them, stops them early, and asks Optuna for values. Importing this loads Ray.

What a sweep knows stands in its own folder, not in Tune's, whose files hold pickles: a sweep that goes on reads text.
"""

import contextlib
import functools
import io
import logging
import math
import os
import socket
import tempfile
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before Ray is imported: nothing is sent home, servers listen on this machine's own address only, and Tune prints none
# of its own tables and leaves Ctrl-C to us.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_STRICT_METRIC_CHECKING", "1")
# A cluster that `ray start` begins where a token lies asks for it, and every Ray that has run here has left one; who
# joins the cluster sends it only where the environment says so.
with contextlib.suppress(RuntimeError):  # nobody knows where the user is at home
    _TOKEN = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    if os.environ.get("RAY_AUTH_TOKEN") or os.path.isfile(_TOKEN):
        os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray as ray
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher

from ..errors import WildRobotError, first_line
from .budget import STEPS, EarlyStop, Resources
from .driver import Driver
from .ray_optuna import OptunaValues
from .ray_trial import NUMBER, RayTrial

_log = logging.getLogger(__name__)

_ATTEMPTS = 3  # to start Ray here
_STORE = 100_000_000  # bytes of Ray's object store, which trials do not use


class _Numbered(Searcher):
    """Hands out the numbers of a driver's trials; values come from its plan, or from Optuna."""

    def __init__(self, driver: Driver, shared: dict[str, Any], asked: OptunaValues | None):
        super().__init__(metric=driver.goal.metric, mode=driver.goal.mode)
        self.driver, self.shared, self.optuna = driver, shared, asked
        self.numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The configuration of the next trial."""
        ask = None if self.optuna is None else functools.partial(self.optuna.ask, trial_id)
        number = self.driver.next_number(ask)
        if number is None:
            return str(Searcher.FINISHED)
        self.numbers[trial_id] = number
        return {**self.shared, NUMBER: number}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell Optuna."""
        if self.optuna is not None:
            value = None if error or result is None else result.get(self.metric)
            self.optuna.tell(trial_id, self.driver.folder.trial(self.numbers[trial_id]).values, value)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the sweep's folder has it."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the sweep's folder has it."""


class _Asha(AsyncHyperBandScheduler):
    """Tune's ASHA; notes which trials it stops, and leaves alone what has no figure yet."""

    def __init__(self, driver: Driver, stop: EarlyStop):
        how: dict[str, Any] = {"max_t": stop.longest, "grace_period": stop.grace, "reduction_factor": stop.factor}
        super().__init__(time_attr=STEPS, metric=driver.goal.metric, mode=driver.goal.mode, **how)
        self.driver, self.longest = driver, stop.longest

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Go on, or stop."""
        if self.metric not in result:
            return str(TrialScheduler.CONTINUE)
        action = str(super().on_trial_result(tune_controller, trial, result))
        if action != TrialScheduler.STOP or result[STEPS] >= self.longest or result.get("done"):
            return str(TrialScheduler.CONTINUE)  # its last steps are made: it is judged, and ends by itself
        why = f"stopped early at {result[STEPS]:,} steps: {self.metric} {result[self.metric]:.4g} is not among the best"
        self.driver.folder.note_stop(trial.config[NUMBER], why)
        return action

    def replay(self, name: str, reports: list[tuple[int, float]]) -> None:
        """Show it a trial of an earlier attempt of this sweep."""
        shown: Any = types.SimpleNamespace(trial_id=name)
        self.on_trial_add(None, shown)
        for steps, value in reports:
            super().on_trial_result(None, shown, {STEPS: steps, self.metric: value})


class _Stopper(tune.Stopper):
    """Ends all trials once the user or the budget says so."""

    def __init__(self, driver: Driver):
        self.driver = driver

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No trial by itself."""
        return False

    def stop_all(self) -> bool:
        """Whether to end."""
        return self.driver.is_over()


class _Told(tune.Callback):
    """Tells the driver how trials come along."""

    def __init__(self, driver: Driver):
        self.driver = driver

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A figure came."""
        if STEPS in result:
            self.driver.note_progress(trial.config[NUMBER], result[STEPS], result.get(self.driver.goal.metric))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial ended."""
        self.driver.note_end(trial.config[NUMBER])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A trial failed, or its worker died."""
        self.driver.note_end(trial.config[NUMBER], "its worker process died; is there enough memory?")


def run_on_ray(driver: Driver, address: str | None, workers: int | None) -> None:
    """Run a sweep's trials until they or its budget are at an end, or the user stops it.

    Args:
        driver: what to run.
        address: of a Ray cluster; None: this machine alone.
        workers: trials at a time, at most; None: as many as there are cores or GPUs for.

    Raises:
        WildRobotError: there is no cluster, or nothing in it is large enough for a trial.
    """
    with (
        tempfile.TemporaryDirectory(prefix="wildrobot-eqx-ray-") as scratch,
        cluster(address, scratch),
    ):
        resources = fitting(driver.resources)
        shared = {
            "folder": str(driver.folder.path.resolve()),
            "metric": driver.goal.metric,
            "extra": driver.extra,
            "cores": resources.cores,
            "gpus": resources.gpus,
            "cwd": driver.cwd,
            "program": driver.program,
        }
        search = OptunaValues(driver) if driver.plan.search == "optuna" else None
        numbered: Any = _Numbered(driver, shared, search)
        most = workers or _most(resources)
        each = {"cpu": resources.cores, **({"gpu": resources.gpus} if resources.gpus else {})}
        tuner = tune.Tuner(
            tune.with_resources(RayTrial, each),
            tune_config=tune.TuneConfig(
                search_alg=ConcurrencyLimiter(numbered, max_concurrent=most),
                scheduler=_scheduler(driver),
                num_samples=-1,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=scratch,
                stop=_Stopper(driver),
                callbacks=[_Told(driver)],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # a run saves its own
                verbose=0,
            ),
        )
        with contextlib.redirect_stdout(io.StringIO()):
            tuner.fit()


def _scheduler(driver: Driver) -> TrialScheduler:
    if driver.early_stop is None:
        return FIFOScheduler()
    asha = _Asha(driver, driver.early_stop)
    for number, reports in driver.earlier_reports().items():
        asha.replay(f"earlier {number}", reports)
    return asha


@contextlib.contextmanager
def cluster(address: str | None, scratch: str) -> Iterator[None]:
    """A Ray session: one of our own with neither dashboard nor open port, or a place in a cluster."""
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL, "configure_logging": True}
    warnings.filterwarnings("ignore", message=r"os\.fork\(\)", category=RuntimeWarning)  # Ray's, which execs at once
    if address is not None:
        _knock(address)
    for attempt in range(_ATTEMPTS):
        try:
            if address is None:
                ray.init(address="local", include_dashboard=False, object_store_memory=_STORE, **quiet)
            else:
                ray.init(address=address, **quiet)
            break
        except Exception as error:  # a busy machine does not start in the 30 s that Ray grants, and that is a bare one
            ray.shutdown()
            if address is None and attempt < _ATTEMPTS - 1:
                _log.info(f"Ray did not start, once more: {first_line(error)}")
                continue
            raise WildRobotError(
                f"Ray cannot be reached: {' '.join(str(error).split())[:300]}",
                where="ray.init" if address is None else f"--address {address}",
                hint="see `ray status` there; without --address this machine's own cores are used",
                exit_code=1,
            ) from error
    try:
        for name in ("ray", "ray.tune"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # how a trial failed is told once, by the driver
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """See that somebody listens at HOST:PORT: Ray itself tries for ten minutes, and hears no Ctrl-C meanwhile.

    Raises:
        WildRobotError: nobody does.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return  # `auto`, and whatever else Ray understands
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10.0).close()
    except (OSError, OverflowError) as error:
        raise WildRobotError(
            f"Ray cannot be reached: {error}",
            where=f"--address {address}",
            hint="see `ray status` there; without --address this machine's own cores are used",
            exit_code=1,
        ) from error


def fitting(asked: Resources) -> Resources:
    """What a trial is given: a GPU where there are some and nothing is said of them.

    Raises:
        WildRobotError: no node has so much.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = asked.gpus if asked.gpus >= 0.0 else float(any(node.get("GPU", 0.0) >= 1.0 for node in nodes))
    if not any(node.get("CPU", 0.0) >= asked.cores and node.get("GPU", 0.0) >= gpus for node in nodes):
        most = max((node.get("CPU", 0.0), node.get("GPU", 0.0)) for node in nodes) if nodes else (0.0, 0.0)
        raise WildRobotError(
            f"No machine has {asked.cores} cores and {gpus:g} GPUs; the largest has {most[0]:g} and {most[1]:g}.",
            where="--cores, --gpus",
            hint="ask for less",
        )
    return Resources(asked.cores, gpus)


def _most(resources: Resources) -> int:
    """Trials at a time in the cluster; at least one, for what is busy now may be free later."""
    have = ray.cluster_resources()
    by_cores = have.get("CPU", 0.0) / resources.cores
    by_gpus = have.get("GPU", 0.0) / resources.gpus if resources.gpus else math.inf
    return max(1, int(min(by_cores, by_gpus)))
