"""Where a training may run, and what its processes tell each other; trainings on several are in test_devices.py."""

import jax
import numpy as np
import pytest

from wildrobot_eqx import WildRobotError, load_recipe
from wildrobot_eqx.learn.mesh import DEFAULT_DEVICE
from wildrobot_eqx.runs import digest
from wildrobot_eqx.train.distributed import GONE_AFTER, Processes, _of_runtime
from wildrobot_eqx.train.placement import Placement
from wildrobot_eqx.train.trainer import Trainer

WRONG = {
    "--coordinator": ["--coordinator=a:1"],
    "--processes": ["--distributed", "--processes=2", "--process=0"],
    "--process": ["--distributed", "--coordinator=a:1", "--processes=2", "--process=2"],
    "--coordinator ": ["--distributed", "--coordinator=a", "--processes=2", "--process=0"],
}


@pytest.mark.parametrize("where", WRONG)
def test_options_that_do_not_fit_together_are_refused_before_jax_is_asked(cli, where, tmp_path):
    done = cli("run", "hop", *WRONG[where], f"--out={tmp_path / 'run'}")
    assert done.status == 2
    assert f"where: {where.strip()}\n" in done.err
    assert not (tmp_path / "run").exists()


def test_more_devices_than_there_are_leave_no_folder(cli, tmp_path):
    count = jax.local_device_count()  # JAX has its devices now, and cannot be given others
    done = cli("run", "hop", f"--devices={count + 1}", f"--out={tmp_path / 'run'}")
    assert done.status == 2
    assert f"{count + 1} devices are asked for; here are {count}" in done.err
    assert not (tmp_path / "run").exists()


def test_verify_takes_no_devices(cli, tmp_path):
    jax.devices()
    done = cli("run", "hop", "--verify", "--devices=1", f"--out={tmp_path / 'run'}")
    assert done.status == 2
    assert "where: --devices\n" in done.err


def test_a_trainer_of_one_device_refuses_others():
    brax = Trainer(lambda recipe: None, lambda *arguments: None, lambda state: None)
    recipe = load_recipe("hop")()
    brax.admit_devices(recipe, DEFAULT_DEVICE)
    with pytest.raises(WildRobotError, match="one device") as caught:
        brax.admit_devices(recipe, Placement(devices=1).choose())
    assert "--devices" in caught.value.where


def test_devices_beyond_those_asked_for_are_left_alone():
    assert Placement(devices=1).choose().count == 1
    assert Placement().choose().mesh is None


def test_a_process_alone_agrees_with_itself():
    alone = Processes()
    assert alone.writes
    assert alone.agree(stop=True, save=False) == (True, False)
    assert alone.share("a folder") == "a folder"
    alone.check_same("recipe", 1)
    alone.wait()
    with alone.watched():
        pass


class Store:
    """The texts of a coordinator, for a process that is asked alone."""

    def __init__(self):
        self.texts = {}

    def key_value_set(self, name, text, allow_overwrite=False):
        assert allow_overwrite or name not in self.texts
        self.texts[name] = text

    def key_value_dir_get(self, name):
        return [(key, text) for key, text in self.texts.items() if key.startswith(name)]


@pytest.fixture
def second():
    """The second of three processes."""
    processes = Processes()
    processes.index, processes.count, processes.client = 1, 3, Store()
    return processes


def test_a_process_that_says_why_it_ended_is_heard(second):
    second.client.key_value_set("wildrobot_eqx/left/2", "the disk is full")
    second._look({0: ("", 0.0), 2: ("", 0.0)}, 1.0)
    assert second.found.is_set()
    assert "Process 2 ended: the disk is full" in str(second._error())
    assert not second.gone


def test_a_process_without_signs_of_life_is_noticed(second):
    last = {0: ("", 0.0), 2: ("", 0.0)}
    for moment in (1.0, GONE_AFTER):
        second.client.key_value_set("wildrobot_eqx/alive/0", str(moment), allow_overwrite=True)
        second._look(last, moment)
        assert not second.found.is_set()
    second.client.key_value_set("wildrobot_eqx/alive/0", "again", allow_overwrite=True)
    second._look(last, GONE_AFTER + 0.5)
    assert second.gone == {2}
    assert "Process 2 gives no sign of life" in str(second._error())


def test_a_process_that_is_done_is_not_missed(second):
    second.client.key_value_set("wildrobot_eqx/left/2", "")
    second.client.key_value_set("wildrobot_eqx/left/0", "")
    second._look({0: ("", 0.0), 2: ("", 0.0)}, 10.0 * GONE_AFTER)
    assert not second.found.is_set()


def test_who_waits_for_a_process_that_ended_is_told(second):
    second._note("Process 0 ended: no recipe.")
    with pytest.raises(WildRobotError, match="Process 0 ended: no recipe") as caught:
        second.share(None)
    assert caught.value.exit_code == 1


def test_a_process_with_another_value_is_refused(second):
    second.client.key_value_set("wildrobot_eqx/text/1/0", "a digest of something else")
    with pytest.raises(WildRobotError, match="Process 1 has another seed than process 0"):
        second.check_same("seed", 3)


@pytest.mark.parametrize(
    ("error", "of_runtime"),
    [
        (ValueError("UNKNOWN: Gloo AllGather failed: Connection reset by peer"), True),
        (jax.errors.JaxRuntimeError("INTERNAL: Gloo all-reduce failed"), True),
        (ValueError("a shape does not fit"), False),
        (WildRobotError("Stopped."), False),
    ],
)
def test_a_failed_exchange_is_told_from_other_errors(error, of_runtime):
    assert _of_runtime(error) is of_runtime


@pytest.fixture
def saved():
    """What two processes save of which each has half of `rows`, with digests as they make them."""
    flat = {"rows": np.arange(12.0).reshape(6, 2), "whole": np.arange(3)}
    halves = [digest._digest(flat | {"rows": part}) for part in np.split(flat["rows"], 2)]
    return flat | {digest.DIGEST: np.stack(halves), digest.CUT: np.frombuffer(b"rows", np.uint8)}


def test_arrays_that_two_processes_saved_are_intact(saved):
    assert digest.intact(saved)
    assert saved.keys() == {"rows", "whole"}


@pytest.mark.parametrize("name", ["rows", "whole"])
def test_a_changed_number_is_noticed_in_either_half(saved, name):
    changed = saved[name].copy()
    changed.flat[-1] += 1
    assert not digest.intact(saved | {name: changed})
