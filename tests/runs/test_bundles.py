"""`export`, `play` and `bundle verify`, from a run to their exit statuses; and the bundle at the end of `run`."""

import dataclasses
import hashlib
import io
import json
import shutil
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from helpers import shifted
from tiny import TINY

from wildrobot_eqx import PPO, WildRobotError, load_recipe
from wildrobot_eqx.cli import finish as evaluate
from wildrobot_eqx.deploy.bundle import extra
from wildrobot_eqx.deploy.bundle.archive import read_files, write_zip
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.contract import FILE, contract_digest
from wildrobot_eqx.deploy.export import export as exporting
from wildrobot_eqx.deploy.export.export import export_bundle
from wildrobot_eqx.evaluate.rollout import judged_env
from wildrobot_eqx.learn.agent import make_agent
from wildrobot_eqx.observe import Noise, ObservationStack
from wildrobot_eqx.release import bundle as bundles
from wildrobot_eqx.runs.folder import RunFolder
from wildrobot_eqx.train.session import reopen


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    """The tiny run's bundle."""
    from wildrobot_eqx.cli import main

    out = tmp_path_factory.mktemp("exported") / "hop"
    assert main(["export", str(trained.path), f"--out={out}.zip"]) == 0
    return out


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """The bundle of a policy that nobody trained: it answers to all that it senses, and moves no joint by 0.05 rad.

    A hopper that keeps its home pose stands, and falls from any hard kick, whatever the processor.
    """
    recipe = load_recipe("hop")(physics="native")
    env = judged_env(recipe.env, recipe.env.physics.timestep)
    policy = make_agent(env, PPO(hidden=(16,)), jax.random.key(shifted(0))).policy
    rng = np.random.default_rng(shifted(0))
    norm = dataclasses.replace(
        policy.norm,
        mean=jnp.asarray(0.1 * rng.normal(size=policy.norm.mean.shape), jnp.float32),
        var=jnp.asarray(rng.uniform(0.5, 2.0, policy.norm.var.shape), jnp.float32),
    )
    policy = eqx.tree_at(lambda p: p.norm, policy, norm)
    out = tmp_path_factory.mktemp("standing") / "hop"
    export_bundle(env, policy, out, {"recipe": "hop"}, None)
    return out


def test_a_run_is_exported(exported, trained):
    contract = Bundle.open(exported).contract
    training = contract.document["training"]
    assert training["recipe"] == "hop"
    assert training["iteration"] == 40
    assert training["steps"] == 16 * 8 * 40
    assert training["recipe_sha256"] == trained.manifest()["recipe"]["sha256"]
    assert contract.document["gate"] is None
    assert contract.document["command"]["parts"]["velocity"]["constants"]["deadband"] == pytest.approx(0.05)
    assert Bundle.open(f"{exported}.zip").contract.document == contract.document


def test_it_is_verified(exported, cli):
    done = cli("bundle", "verify", f"{exported}.zip", "--json")
    document = json.loads(done.out)
    assert done.status == 0, done.err
    assert document["passed"]
    assert document["replay"]["steps"] == 100
    assert document["replay"]["target"] <= 1e-5
    assert document["retrace"]["passed"]
    assert document["gate"] is None
    assert "no verdict" in document["note"]
    done = cli("bundle", "verify", exported)
    assert "golden vectors: 100 steps" in done.out
    assert "closed loop: the golden rollout run again, 99 steps within" in done.out
    assert "The player does what training did." in done.out


def test_simulated_sensor_errors_stay_behind(trained, tmp_path):
    """The golden vectors of a policy that trained with bad sensors are what good ones read: the export replays them."""
    recipe, _ = reopen(trained, False)
    blurred = ObservationStack(recipe.env.observations["policy"].terms, sensing={"gyro": (Noise(0.5),)})
    recipe = dataclasses.replace(recipe, env=eqx.tree_at(lambda e: e.observations["policy"], recipe.env, blurred))
    folder, _ = bundles.export(recipe, trained, tmp_path / "bundle")
    assert Bundle.open(folder).contract.document["training"]["recipe"] == "hop"


def test_a_bundle_without_its_robot_promises_nothing_of_it(trained, cli, tmp_path, monkeypatch):
    def stays(robot):
        raise WildRobotError("It stays at home.", where="here")

    monkeypatch.setattr(exporting, "pack_robot", stays)
    done = cli("export", trained.path, "--no-eval", f"--out={tmp_path / 'b'}")
    assert done.status == 0
    assert "wildrobot-eqx play" not in done.out
    done = cli("bundle", "verify", tmp_path / "b")
    assert "on a robot it was not run" in done.out
    assert "does what training did" not in done.out


def test_it_is_played(exported, cli):
    done = cli("play", exported, "--ask=lin_vel_x=0.1", "--seconds=0.5", "--json")
    document = json.loads(done.out)
    assert done.status == (0 if document["survived"] else 1)
    assert document["command"] == {"lin_vel_x": 0.1}
    assert document["error"].keys() == document["reached"].keys() == {"lin_vel_x"}
    assert 0.0 < document["player_us"]["p50"] <= document["player_us"]["max"]
    done = cli("play", exported, "--ask", "lin_vel_x = 5", "--seconds=0.2", "--no-ramp")
    assert "lin_vel_x: it was trained for 0 to 0.3 m/s, and goes no further" in done.err
    assert "asked for: lin_vel_x 0.3" in done.out
    assert "a step of the player took" in done.out


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("ang_vel_z=0.3", "cannot be asked for 'ang_vel_z': its training never did"),
        ("lin_vel=0.3", "did you mean 'lin_vel_x'?"),
        ("lin_vel_x", "'lin_vel_x' asks for no number"),
        ("lin_vel_x=fast", "'lin_vel_x=fast' asks for no number"),
        ("lin_vel_x=nan", "'lin_vel_x=nan' asks for no number"),
        ("=1", "cannot be asked for ''"),
    ],
)
def test_a_policy_is_asked_for_nothing_that_it_was_not_trained_for(asked, message, exported, cli):
    done = cli("play", exported, f"--ask={asked}")
    assert (done.status, done.out) == (2, "")
    assert message in " ".join(done.err.replace("│", " ").split())


def test_it_is_filmed(exported, cli, tmp_path):
    from wildrobot_eqx.physics.mujoco_tools.render import NoRenderer, Renderer
    from wildrobot_eqx.robots import load_robot

    try:
        Renderer(load_robot("hopper").model, 64, 48).close()
    except NoRenderer as error:
        pytest.skip(str(error))
    film = tmp_path / "films" / "walk.mp4"
    done = cli("play", exported, "--seconds=0.4", "--no-ramp", f"--video={film}", "--json")
    assert json.loads(done.out)["video"] == str(film)
    assert film.stat().st_size > 1000
    assert b"ftyp" in film.read_bytes()[:16]


def test_its_contract_is_shown(exported, cli):
    done = cli("bundle", "show", exported)
    assert done.status == 0
    assert json.loads(done.out) == Bundle.open(exported).contract.document


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["export", "nowhere"], 2, "There is no run in 'nowhere'"),
        (["play", "nowhere"], 2, "There is no bundle 'nowhere'"),
        (["bundle", "verify", "nowhere"], 2, "There is no bundle 'nowhere'"),
        (["bundle", "show", "nowhere"], 2, "There is no bundle 'nowhere'"),
        (["play", "."], 1, "There is no contract.json: this is no policy bundle"),
        (["bundle", "verfy", "x"], 2, "Did you mean 'verify'"),
    ],
)
def test_wrong_usage_is_reported(arguments, status, message, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments)
    assert done.status == status
    assert message in " ".join(done.err.replace("│", " ").split())
    assert "Traceback" not in done.err


def test_an_edited_bundle_is_refused(exported, cli, tmp_path):
    shutil.copytree(exported, tmp_path / "edited")
    (tmp_path / "edited" / "README.md").write_text("better")
    for command in (["play"], ["bundle", "verify"], ["bundle", "show"]):
        done = cli(*command, tmp_path / "edited")
        assert done.status == 1
        assert "'README.md' is not the file that was exported" in done.err


def _without_normaliser(document, files):
    model = onnx.load_model_from_string(files["policy.onnx"])
    for tensor in model.graph.initializer:
        if tensor.name in ("norm.mean", "norm.sd"):
            plain = np.full_like(onnx.numpy_helper.to_array(tensor), float(tensor.name == "norm.sd"))
            tensor.CopyFrom(onnx.numpy_helper.from_array(plain, tensor.name))
    files["policy.onnx"] = model.SerializeToString()


def _joints_swapped(document, files):
    """Throughout, with the policy's own mark of their order."""
    from wildrobot_eqx.deploy.bundle.contract import observation_digest

    joints = document["joints"]
    joints[0], joints[1] = joints[1], joints[0]
    model = onnx.load_model_from_string(files["policy.onnx"])
    onnx.helper.set_model_props(model, {"observation": observation_digest(document)})
    files["policy.onnx"] = model.SerializeToString()


def _history_shifted(document, files):
    """The last actions that the policy saw, one step later."""
    from wildrobot_eqx.deploy.export.export import _arrays

    (part,) = (p for p in document["observation"] if p["kind"] == "LastAction")
    with np.load(io.BytesIO(files["golden.npz"])) as arrays:
        rows = {name: arrays[name].copy() for name in arrays.files}
    seen = rows["observation"][:, part["start"] : part["stop"]]
    seen[1:] = seen[:-1].copy()
    files["golden.npz"] = _arrays(rows)


def _target_moved(document, files):
    """The last joint's, by less than a degree."""
    model = onnx.load_model_from_string(files["policy.onnx"])
    (given,) = (node for node in model.graph.node if "target" in node.output)
    given.output[0] = "own"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32([[0.0, 0.0, 0.01]]), "off"))
    model.graph.node.append(onnx.helper.make_node("Add", ["own", "off"], ["target"]))
    files["policy.onnx"] = model.SerializeToString()


@pytest.mark.parametrize("tamper", [_without_normaliser, _joints_swapped, _history_shifted, _target_moved])
def test_a_bundle_that_plays_otherwise_fails_though_its_hashes_are_right(tamper, standing, cli, tmp_path):
    files = read_files(standing)
    document = json.loads(files.pop(FILE))
    tamper(document, files)
    for name, data in files.items():
        document["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    document["digest"] = contract_digest(document)
    write_zip({**files, FILE: json.dumps(document).encode()}, tmp_path / "tampered.zip")
    done = cli("bundle", "verify", tmp_path / "tampered.zip")
    assert done.status == 1, done.out
    assert "FAIL  golden vectors" in done.out
    assert "is off by" in done.out
    assert "The player does not do what training did." in done.out


def test_a_player_that_goes_elsewhere_is_not_judged(standing, cli, tmp_path):
    files = read_files(standing)
    document = json.loads(files[FILE])
    document["controller"]["delay"] = 3
    document["digest"] = contract_digest(document)
    write_zip({**files, FILE: json.dumps(document).encode()}, tmp_path / "late.zip")
    done = cli("bundle", "verify", tmp_path / "late.zip")
    assert done.status == 1
    assert "ok    golden vectors" in done.out
    assert "FAIL  closed loop: the golden rollout run again" in done.out
    assert "The player does not do what training did." in done.out


def test_a_run_is_verified_by_its_recipe(trained, cli, tmp_path):
    """Its recipe is executed, and only of a run; there must be a bundle."""
    shutil.copytree(trained.path, tmp_path / "run")
    done = cli("bundle", "verify", tmp_path / "run")
    assert done.status == 2
    assert "There is no bundle" in done.err
    assert cli("export", tmp_path / "run", "--no-eval").status == 0
    done = cli("bundle", "verify", tmp_path / "run", "--json")
    document = json.loads(done.out)
    assert (done.status, document["passed"]) == (0, True)
    assert document["bundle"] == str(tmp_path / "run" / "bundle.zip")
    assert document["gate"] is None
    assert "no verdict" in document["note"]


def test_the_network_alone_is_written_too(trained, cli, tmp_path):
    """From the observation to the action, for other tools."""
    network = tmp_path / "files" / "network.onnx"
    command = ["export", trained.path, "--no-eval", f"--out={tmp_path / 'bundle'}", f"--network={network}", "--json"]
    done = cli(*command)
    assert done.status == 0, done.err
    assert json.loads(done.out)["network"] == str(network)
    bundle = Bundle.open(tmp_path / "bundle.zip")
    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    rows = bundle.golden()
    found = [session.run(["action"], {"observation": row[None]})[0][0] for row in rows["observation"]]
    np.testing.assert_allclose(found, rows["action"], atol=1e-5)
    done = cli(*command)
    assert (done.status, done.out) == (2, "")
    assert "--network" in done.err
    assert cli(*command, "--force").status == 0


def test_a_policy_that_is_not_microducks_gets_no_file_of_its(trained, cli, tmp_path):
    file = tmp_path / "policy.onnx"
    done = cli("export", trained.path, "--format=microduck", f"--out={file}")
    assert done.status == 2
    assert "This is no policy for microduck" in done.err
    assert "its joints are hip_pitch" in done.err
    assert not file.exists()


@pytest.mark.parametrize("option", ["--sign=key", "--network=net.onnx", "--no-eval"])
def test_microducks_file_takes_no_option_of_a_bundle(option, cli, tmp_path):
    done = cli("export", tmp_path, "--format=microduck", option)
    assert done.status == 2
    assert f"--format microduck takes no {option.partition('=')[0]}." in done.err
    assert "take --format bundle" in done.err


def test_microducks_file_lies_in_the_run_and_is_not_overwritten(trained, cli, monkeypatch, tmp_path):
    from wildrobot_eqx.deploy.export import microduck

    folder = shutil.copytree(trained.path, tmp_path / "run")
    monkeypatch.setattr(microduck, "microduck_file", lambda env, policy: b"a model")
    done = cli("export", folder, "--format=microduck", "--json")
    assert json.loads(done.out)["file"] == str(folder / "microduck.onnx")
    assert (folder / "microduck.onnx").read_bytes() == b"a model"
    again = cli("export", folder, "--format=microduck")
    assert again.status == 2
    assert "exists already" in again.err
    assert cli("export", folder, "--format=microduck", "--force").status == 0


# --- closed loop -----------------------------------------------------------------------------------------


@pytest.fixture
def walked(standing, tmp_path):
    """The bundle with a verdict in it: of two seconds at 0 and 0.1 m/s, all lines passed."""
    return _judged(standing, tmp_path / "judged.zip", passed=True)


def _judged(standing, path, passed):
    files = read_files(standing)
    document = json.loads(files[FILE])
    names = ("survival", "speed_error", "swing_peak_foot", "drift", "heading_error", "feet_down", "travel_speed")
    names += ("pitch", "slip", "torque_rms", "saturated", "overspeed")
    lines = [{"name": name, "command": c, "passed": passed} for name in names for c in (0.0, 0.1)]
    document["gate"] = {
        "passed": passed,
        "provisional": None,
        "failed": [] if passed else [line["name"] for line in lines],
        "lines": lines,
        "required": [0.0, 0.1],
        "seconds": 2.0,
        "warmup": 0.5,
        "judge": "WalkGate",
    }
    document["digest"] = contract_digest(document)
    write_zip({**files, FILE: json.dumps(document).encode()}, path)
    return path


def test_a_verdict_that_the_player_does_not_repeat_fails(walked, cli):
    """A hopper that only stands does not walk at 0.1 m/s; a bundle that says it did is found out."""
    done = cli("bundle", "verify", walked, "--episodes=2", "--json")
    document = json.loads(done.out)
    assert done.status == 1
    assert document["replay"]["passed"]
    assert not document["passed"]
    failed = [str(line) for line in document["gate"]["failed"]]
    assert document["lost"] == failed != []
    assert any("speed error at 0.1 m/s (5 ms physics)" in line for line in failed)
    assert document["gate"]["episodes"] == 2
    assert {f["command"] for f in document["gate"]["figures"]} == {0.0, 0.1}


def test_a_stand_gate_kicks_the_player(standing, tmp_path, cli):
    """A robot in a plane falls from its kicks ahead and back; those to its sides it does not even feel."""
    files = read_files(standing)
    document = json.loads(files[FILE])
    lines = [{"name": name, "command": kick, "passed": True} for name in ("survival", "tilt") for kick in (0.0, 3.0)]
    gate = {
        "judge": "StandGate",
        "required": [0.0, 3.0],
        "seconds": 2.0,
        "warmup": 1.0,
        "kick_at": 0.4,
        "recovery": 0.6,
    }
    document["gate"] = {"passed": True, "provisional": None, "failed": [], "lines": lines, **gate}
    document["digest"] = contract_digest(document)
    write_zip({**files, FILE: json.dumps(document).encode()}, tmp_path / "stand.zip")
    done = cli("bundle", "verify", tmp_path / "stand.zip", "--json")
    found = json.loads(done.out)
    assert done.status == 1
    assert found["replay"]["passed"]
    assert found["retrace"]["passed"]
    survived = {figures["command"]: figures["values"] for figures in found["gate"]["figures"]}
    assert survived[3.0]["survival_ahead"] == survived[3.0]["survival_back"] == 0.0
    assert survived[3.0]["survival_left"] == survived[0.0]["survival"] == 1.0
    assert any(line.startswith("survival after a kick of 3 m/s (5 ms physics)") for line in found["lost"])
    assert not any(line.startswith("survival after a kick of 0 m/s") for line in found["lost"])


def test_a_verdict_that_it_repeats_passes(standing, tmp_path, cli):
    """What training failed, the player may fail."""
    done = cli("bundle", "verify", _judged(standing, tmp_path / "failed.zip", passed=False), "--episodes=2")
    assert done.status == 0, done.out
    assert "closed loop" in done.out
    assert "the training env's verdict: failed" in done.out


# --- the end of a run ------------------------------------------------------------------------------------


def test_a_run_ends_with_its_bundle(tmp_path, cli, monkeypatch):
    monkeypatch.setattr(evaluate, "render", lambda *_: [])
    run = tmp_path / "run"
    done = cli("run", "hop", *TINY, "--json", f"--out={run}")
    assert done.status == 0, done.err
    assert json.loads(done.out)["bundle"] == str(run / "bundle.zip")
    assert bundles.current_bundle(RunFolder(run), 40) == str(run / "bundle.zip")
    assert bundles.current_bundle(RunFolder(run), 41) is None
    assert Bundle.open(run / "bundle.zip").contract.document["training"]["iteration"] == 40
    assert f"it: wildrobot-eqx play {run / 'bundle.zip'}" in done.err


def test_without_the_extra_a_run_says_how_to_get_its_bundle(copied, cli, monkeypatch):
    monkeypatch.setattr(evaluate, "render", lambda *_: [])
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(extra.importlib.util, "find_spec", lambda name: None if name == "onnx" else object())
    done = cli("run", f"--resume={copied.path}")
    assert done.status == 0
    assert 'no bundle for the robot, onnx not installed: pip install "wildrobot-eqx[deploy]"' in done.err
    assert not (copied.path / "bundle").exists()
    done = cli("export", copied.path)
    assert done.status == 2
    assert 'pip install "wildrobot-eqx[deploy]"' in done.err


def test_what_cannot_be_described_costs_a_run_nothing_else(copied, cli, monkeypatch):
    from wildrobot_eqx import WildRobotError

    def refuse(*_):
        raise WildRobotError("The controller is a Crooked.", where="env.controller")

    monkeypatch.setattr(evaluate, "render", lambda *_: [])
    monkeypatch.setattr(bundles, "export", refuse)
    done = cli("run", f"--resume={copied.path}")
    assert done.status == 0
    assert "no bundle: The controller is a Crooked." in done.err
    assert (copied.path / "report.html").exists()


@pytest.mark.slow
def test_a_walk_is_exported_and_walks_through_the_player(tmp_path, cli, monkeypatch):
    """Minutes: the biped learns to walk, is judged, and its player gives the same verdict."""
    run = tmp_path / "walk"
    assert cli("run", "walk", "--no-eval", f"--out={run}").status == 0
    monkeypatch.setattr("wildrobot_eqx.cli.export_run.QUICK_EPISODES", 8)
    assert cli("export", run).status == 0
    done = cli("bundle", "verify", run / "bundle.zip", "--json")
    document = json.loads(done.out)
    assert done.status == 0, document["lost"]
    assert document["gate"]["passed"]
    done = cli("bundle", "verify", run, "--json")  # the same by the recipe's own gate, in the recipe's own env
    assert done.status == 0, json.loads(done.out)["lost"]
    assert json.loads(done.out)["gate"]["passed"]
    played = json.loads(cli("play", run / "bundle.zip", "--ask=lin_vel_x=0.4", "--json").out)
    assert played["survived"]
    assert played["error"]["lin_vel_x"] < 0.03
    assert played["distance_m"] == pytest.approx(4.0, abs=0.4)
    _walks_without_an_orientation_sensor(Bundle.open(run / "bundle.zip"))


def _walks_without_an_orientation_sensor(bundle):
    """20 s on a gyro that is biased by 0.3 degrees per second, and an accelerometer that feels every step."""
    from wildrobot_eqx.deploy import Attitude, MujocoRobot, Player

    robot, attitude, off = MujocoRobot(bundle), Attitude(), []
    player = Player(bundle, joints=robot.joints)
    player.start(ramp=False)
    for _ in range(1000):
        readings = robot.read()
        true = readings["chest_imu_quat"]
        readings["chest_imu_gyro"] += np.array([0.005, -0.005, 0.0])
        quat = attitude.update(readings["chest_imu_gyro"], readings["chest_imu_accel"], player.dt)
        step = player.step({**readings, "chest_imu_quat": quat, "command": {"lin_vel_x": 0.3}})
        robot.write(dict(zip(player.joints, step.target)), player.dt)
        robot.advance()
        off.append(np.degrees(np.arccos(np.clip(_up(quat) @ _up(true), -1.0, 1.0))))
    assert player.fault is None
    assert not robot.fallen
    assert np.median(off) < 4.0


def _up(quat):
    """The world's up as the IMU sees it."""
    w, x, y, z = np.asarray(quat, float)
    return np.array([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)])


# --- files of a user's are sacred --------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--force",)])
def test_a_film_takes_the_place_of_no_file_unasked(options, exported, cli, tmp_path, monkeypatch):
    def filmed(bundle, played, path):
        path.write_bytes(b"film")

    monkeypatch.setattr("wildrobot_eqx.release.film.film_played", filmed)
    film = tmp_path / "wedding.mp4"
    film.write_bytes(b"dear")
    done = cli("play", exported, "--seconds=0.1", "--no-ramp", f"--video={film}", *options)
    if options:
        assert film.read_bytes() == b"film"
    else:
        assert (done.status, film.read_bytes(), done.out) == (2, b"dear", "")
        assert "--video" in done.err
        assert "--force" in done.err
    for path in (tmp_path, tmp_path / "nowhere"):
        if path.name == "nowhere":
            path.symlink_to(tmp_path / "elsewhere")
        assert cli("play", exported, f"--video={path}", *options).status == 2
    assert not (tmp_path / "elsewhere").exists()


def test_a_film_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    from wildrobot_eqx.report import encode

    def half(frames, rate, path, target):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encode, "_encode", half)
    (tmp_path / "walk.mp4").write_bytes(b"the last one")
    with pytest.raises(OSError, match="No space"):
        encode.write_film([], 25.0, tmp_path / "walk.mp4")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("walk.mp4", b"the last one")]


def test_an_export_overwrites_no_file_of_anothers_unasked(trained, cli, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / FILE).write_text('{"parties": []}')
    (tmp_path / "photos.zip").write_bytes(b"dear")
    for out in ("mine", "photos.zip", "photos"):
        done = cli("export", trained.path, "--no-eval", f"--out={tmp_path / out}")
        assert done.status == 2
        assert "--force" in done.err
    assert (tmp_path / "mine" / FILE).read_text() == '{"parties": []}'
    assert (tmp_path / "photos.zip").read_bytes() == b"dear"
    assert not (tmp_path / "photos").exists()


def test_a_bundle_is_signed_and_its_signature_is_held_against_a_key(trained, cli, tmp_path):
    from cryptography.hazmat.primitives import serialization as keys
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    for name in ("mine", "other"):
        key = Ed25519PrivateKey.generate()
        pem = key.private_bytes(keys.Encoding.PEM, keys.PrivateFormat.OpenSSH, keys.NoEncryption())
        (tmp_path / name).write_bytes(pem)
        line = key.public_key().public_bytes(keys.Encoding.OpenSSH, keys.PublicFormat.OpenSSH)
        (tmp_path / f"{name}.pub").write_bytes(line)
    out = tmp_path / "bundle"
    (tmp_path / "bundle").mkdir()
    done = cli("export", trained.path, "--no-eval", f"--out={out}", f"--sign={tmp_path / 'mine'}", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["signed"] is True
    for path in (out, f"{out}.zip"):
        assert cli("bundle", "show", path, f"--signer={tmp_path / 'mine.pub'}").status == 0
        assert cli("play", path, "--seconds=0.1", "--no-ramp", f"--signer={tmp_path / 'mine.pub'}").status in (0, 1)
        for command in (["bundle", "show"], ["bundle", "verify"], ["play"]):
            done = cli(*command, path, f"--signer={tmp_path / 'other.pub'}")
            assert (done.status, done.out) == (1, "")
            assert "signed by another key" in done.err
    assert cli("export", trained.path, "--no-eval", f"--out={out}").status == 0  # again, unsigned
    done = cli("bundle", "show", out, f"--signer={tmp_path / 'mine.pub'}")
    assert (done.status, "is not signed" in done.err) == (1, True)
    done = cli("export", trained.path, f"--sign={tmp_path / 'nowhere'}")
    assert (done.status, str(tmp_path / "nowhere") in done.err) == (2, True)
