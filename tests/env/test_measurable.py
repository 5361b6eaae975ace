"""The checker follows the true state into the policy, and examines the modules of an imperfect world by themselves."""

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from helpers import critic_terms, drawn_terms, make_env, policy_terms, random_signals, with_switches, wrong_world
from jaxtyping import Array, Float

import wildrobot_eqx as we
from wildrobot_eqx import check
from wildrobot_eqx.check.rules import privileged as measurable
from wildrobot_eqx.observe import ObservationStack, Signals


class Claims(we.terms.AbstractStatelessTerm):
    """Says that the robot can measure whatever `read` takes from the signals."""

    size = 1

    read: object = eqx.field(static=True)
    unit = "1"
    frame = "test"
    measurable = True

    @property
    def mirror(self):
        return we.Mirror((0,), (1.0,))

    @property
    def source(self) -> str:
        return "a claim"

    def __call__(self, signals: Signals) -> Float[Array, " 1"]:
        return jnp.reshape(self.read(signals), (1,))


def leaks(hopper, term, **changes):
    stack = ObservationStack({**policy_terms(hopper), "claim": term})
    report = check.check_env(make_env(hopper, observations={"policy": stack}, **changes))
    return [finding for finding in report.findings if finding.leaf.endswith("['claim']")]


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda s: s.physics.xquat[1, 0], "signals.physics.xquat"),
        (lambda s: jnp.sum(s.physics.qvel), "signals.physics.qvel of the base"),
        (lambda s: s.physics.qpos[1], "signals.physics.qpos of the base"),
        (lambda s: s.physics.foot_force[0, 2] * 1e-3 + s.observed["gait"][0], "signals.physics.foot_force"),
        (lambda s: jnp.where(s.physics.xpos[1, 2] > 0.3, s.observed["gait"][0], 0.0), "signals.physics.xpos"),
        (lambda s: s.physics.sensordata @ jnp.ones_like(s.physics.sensordata), "that are no IMU of 'hopper'"),
        (lambda s: s.params.body_mass[1], "signals.params.body_mass"),
        (lambda s: s.commands["velocity"].origin + s.commands["velocity"].heading, "signals.commands"),
        (lambda s: s.calibration.joint_offset[0], "signals.calibration.joint_offset"),
        (lambda s: s.servo["motor"].source + s.observed["gait"][0], "signals.servo['motor'].source"),
    ],
    ids=[
        "pose",
        "all velocities",
        "height",
        "force",
        "comparison",
        "all sensors",
        "parameters",
        "world heading",
        "calibration",
        "battery",
    ],
)
def test_a_term_that_claims_what_it_cannot_measure_is_found(hopper, read, message):
    world = {
        "servos": we.Servos(hopper, {"motor": we.servos.DCMotor(hopper)}),
        "calibration": we.RandomCalibrationError(),
    }
    (finding,) = leaks(hopper, Claims(read), **world)
    assert message in finding.after
    assert "give the term to the critic" in finding.fix


def test_what_a_robot_can_measure_passes_entry_by_entry(hopper):
    """Indices, norms and selections of the IMU and the servos, out of vectors that hold the truth as well."""
    imu = hopper.imu()

    def measured(s):
        joints = jnp.concatenate([hopper.joints(s.physics.qpos), hopper.joint_velocities(s.physics.qvel)[::-1]])
        gyro, accel = imu.gyro.read(s.physics.sensordata), imu.accel.read(s.physics.sensordata)
        fast = jnp.where(jnp.linalg.norm(gyro) > 1.0, accel, gyro)
        return jnp.dot(joints, joints) + fast[1] + s.physics.time + s.observed["velocity"][1] + jnp.sum(s.action)

    assert leaks(hopper, Claims(measured)) == []


def test_a_foot_switch_says_whether_the_force_is_above_a_threshold_and_no_more(hopper):
    """Of a robot whose feet all have one; the force itself, and what is across the floor, stay the simulator's own."""
    switched = with_switches(hopper)
    terms = {
        "switches": we.terms.FootSwitches(switched),
        "own": Claims(lambda s: (s.physics.foot_force[0, 2] > 3.0) * s.observed["gait"][0]),
        "force": Claims(lambda s: s.physics.foot_force[0, 2]),
        "across": Claims(lambda s: s.physics.foot_force[0, 0] > 3.0),
        "both": Claims(lambda s: jnp.where(s.physics.foot_force[0, 2] > 3.0, s.physics.foot_force[0, 2], 0.0)),
    }

    def message(robot):
        env = make_env(robot, observations={"policy": ObservationStack(terms)})
        findings = measurable.leaks(env, jax.eval_shape(lambda: random_signals(robot)))
        assert all("signals.physics.foot_force" in finding.after for finding in findings)
        return {name for finding in findings for name in terms if f"[{name!r}]" in finding.leaf}

    assert message(switched) == {"force", "across", "both"}
    assert message(hopper) == set(terms)


def test_the_critic_may_see_everything_and_the_policy_not(hopper):
    stacks = {role: ObservationStack(critic_terms(hopper), policy=False) for role in ("policy", "critic")}
    found = {finding.leaf for finding in check.check_env(make_env(hopper, observations=stacks)).findings}
    names = ("linear_velocity", "height", "foot_contacts")
    assert found == {f"env.observations['policy'].terms[{name!r}]" for name in names}


class Relabelled(we.terms.AbstractStatelessTerm):
    """Another term, said to be measurable."""

    term: we.terms.AbstractStatelessTerm
    unit = "1"
    frame = "test"
    measurable = True

    @property
    def size(self) -> int:
        return self.term.size

    @property
    def mirror(self):
        return self.term.mirror

    @property
    def source(self) -> str:
        return "a claim"

    def __call__(self, signals: Signals) -> Float[Array, " n"]:
        return self.term(signals)


def test_no_drawn_parameter_reaches_the_policy_whatever_it_is_called(hopper):
    """Each term of a draw, named measurable, is found by what it reads; as it is, by what it says of itself."""
    world = wrong_world(hopper)
    drawn = drawn_terms(hopper)
    for terms in (drawn, {name: Relabelled(term) for name, term in drawn.items()}):
        world["observations"] = {"policy": ObservationStack({**policy_terms(hopper), **terms}, policy=False)}
        findings = check.check_env(make_env(hopper, **world)).findings
        assert {f.leaf for f in findings} == {f"env.observations['policy'].terms[{name!r}]" for name in drawn}
    assert all("reads signals." in finding.after for finding in findings)
    for name, term in drawn.items():
        with pytest.raises(we.WildRobotError, match="cannot measure"):
            ObservationStack({name: term})


class Cheats(we.sensing.AbstractSensing):
    """Adds the true height to a reading."""

    def init(self, key, value, signals, dt):
        return ()

    def __call__(self, key, state, value, signals):
        return value + signals.physics.xpos[1, 2], state


class Repeats(we.sensing.AbstractSensing):
    """Draws twice from one key."""

    def init(self, key, value, signals, dt):
        return ()

    def __call__(self, key, state, value, signals):
        noise = jax.random.normal(key, value.shape, jnp.float32)
        return value + noise + jax.random.normal(key, value.shape, jnp.float32), state


class Forgets(we.servos.AbstractServo):
    """Begins with a scalar and goes on with a vector."""

    def init(self, key, joints, target, dt):
        return jnp.zeros((), jnp.float32)

    def __call__(self, state, drive, joints, dt):
        return drive, joints.velocity


class Longer(we.servos.AbstractServo):
    """Gives targets for one joint too many."""

    def init(self, key, joints, target, dt):
        return ()

    def __call__(self, state, drive, joints, dt):
        longer = jnp.append(drive.target, jnp.float32(0.0))
        return eqx.tree_at(lambda d: d.target, drive, longer), state


class Stale(we.events.AbstractEvent):
    """Counts in whole numbers first and in floats from then on."""

    def init(self, key, dt):
        return jnp.zeros((), jnp.int32)

    def __call__(self, key, state, physics, params, dt):
        return physics, params, state + 1.0


def sensed(hopper, part):
    return {"observations": {"policy": ObservationStack(policy_terms(hopper), sensing={"gravity": (part,)})}}


WRONG = {
    "sensing that knows the truth": (
        lambda r: sensed(r, Cheats()),
        "env.observations['policy'].sensing['gravity'][0]",
        "signals.physics.xpos",
    ),
    "sensing that uses a key twice": (
        lambda r: sensed(r, Repeats()),
        "env.observations['policy'].sensing['gravity'][0]",
        "is used twice",
    ),
    "a servo state that changes shape": (
        lambda r: {"servos": we.Servos(r, {"bad": Forgets()})},
        "state.disturbances.servo['bad']",
        "float32[3]",
    ),
    "a servo with a joint too many": (
        lambda r: {"servos": we.Servos(r, {"bad": Longer()})},
        "env.disturbances.servos.parts['bad'] law.target",
        "float32[4]",
    ),
    "an event whose state changes its dtype": (
        lambda r: {"events": {"bad": Stale()}},
        "state.disturbances.events['bad']",
        "float32[]",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_module_of_the_world_that_is_wrong_is_named(hopper, name):
    make, leaf, after = WRONG[name]
    findings = check.check_env(make_env(hopper, **make(hopper))).findings
    assert findings[0].leaf == leaf
    assert after in findings[0].after
    assert "test_measurable.py" in findings[0].source
