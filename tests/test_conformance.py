"""Every shipped part keeps to the axioms of its family, as `testing` states them for parts written elsewhere."""

import dataclasses
import inspect

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest
from helpers import StillPhysics, all_rewards, critic_terms, drawn_terms, make_env, with_switches

import wildrobot_eqx as we
from wildrobot_eqx import testing
from wildrobot_eqx.robots import Mirror


@pytest.fixture(scope="module")
def world(hopper):
    """A hopper env with the draws that terms read: servos, calibration errors, parameters."""
    servos = {
        "delay": we.servos.CommandDelay((0.005, 0.03)),
        "motor": we.servos.DCMotor(hopper, strength=(0.9, 1.1), resistance=0.05),
        "backlash": we.servos.Backlash(),
    }
    calibration = we.RandomCalibrationError()
    return make_env(hopper, servos=we.Servos(hopper, servos), calibration=calibration)


def of_kind(robot, kind):
    return dataclasses.replace(robot, actuator_kind=(kind,) * robot.nu)


def bent(robot):
    return we.resets.JointReset(robot, dict.fromkeys(robot.joint_names, (0.2, 0.3)))


def beyond(robot):
    return we.endings.JointsBeyond(robot, velocities=dict.fromkeys(robot.joint_names, 20.0))


def swinging(robot):
    return we.MotionClip.make(robot, 10.0, {robot.joint_names[0]: [0.1, 0.2, 0.3]}, loop=True)


PARTS = {
    "commands": {
        "VelocityCommand": we.commands.VelocityCommand,
        "planar": lambda r: we.commands.VelocityCommand(r, lin_vel_y=(-0.2, 0.2), ang_vel_z=(-0.5, 0.5)),
        "Gait": lambda r: we.gaits.two_beat(r, period=0.7),
        "PointCommand": lambda r: we.commands.PointCommand(),
        "JointPoseCommand": lambda r: we.commands.JointPoseCommand(r, {"hip_pitch": (-0.2, 0.1), "knee_pitch": (0, 0)}),
        "ClipCommand": lambda r: we.commands.ClipCommand(r, swinging(r), speed=(0.5, 1.5)),
    },
    "controllers": {
        "JointPosition": we.controllers.JointPosition,
        "LowPass": lambda r: we.controllers.LowPass(we.controllers.JointPosition(r), r.home_joints, 0.5),
        "Delay": lambda r: we.controllers.Delay(we.controllers.JointPosition(r), r.home_joints, 1),
        "JointTorque": lambda r: we.controllers.JointTorque(of_kind(r, "motor")),
        "JointVelocity": lambda r: we.controllers.JointVelocity(of_kind(r, "velocity")),
    },
    "endings": {
        "ClipOver": lambda r: we.endings.ClipOver("clip"),
        "Fallen": we.endings.Fallen,
        "JointsBeyond": lambda r: beyond(r),
    },
    "events": {"Push": lambda r: we.events.Push(), "VelocityKick": we.events.VelocityKick},
    "randomise": {
        **{
            name: lambda r, name=name: getattr(we.randomise, name)()
            for name in we.randomise.__all__
            if name.startswith(("Scale", "Tilt"))
        },
        "MemberRanges": lambda r: we.randomise.MemberRanges(r, friction=dict.fromkeys(r.joint_names, (0.8, 1.2))),
        "Payload": we.randomise.Payload,
        "PersistentBias": we.PersistentBias,
        "ShiftCentreOfMass": we.randomise.ShiftCentreOfMass,
    },
    "resets": {
        "ClipReset": lambda r: we.resets.ClipReset(r, "clip"),
        "HomeReset": we.resets.HomeReset,
        "JointReset": lambda r: bent(r),
        "MixedReset": lambda r: we.resets.MixedReset(we.resets.HomeReset(r), bent(r)),
    },
    "sensing": {
        "Bias": lambda r: we.sensing.Bias(0.1),
        "DroppedPackets": lambda r: we.sensing.DroppedPackets(0.5),
        "EncoderOffset": lambda r: we.sensing.EncoderOffset(),
        "HingeOffset": lambda r: we.sensing.HingeOffset(r, r.joint_names),
        "MountingError": lambda r: we.sensing.MountingError(),
        "Noise": lambda r: we.sensing.Noise(0.1),
        "ReadingDelay": lambda r: we.sensing.ReadingDelay((0.0, 0.03)),
        "ReadingResolution": lambda r: we.sensing.ReadingResolution(),
        "RoundRobin": lambda r: we.sensing.RoundRobin(2),
        "SampleHold": lambda r: we.sensing.SampleHold(),
    },
    "servos": {
        "Backlash": lambda r: we.servos.Backlash(),
        "CommandDelay": lambda r: we.servos.CommandDelay((0.005, 0.03)),
        "CommandResolution": lambda r: we.servos.CommandResolution(),
        "DCMotor": we.servos.DCMotor,
        "Deadband": lambda r: we.servos.Deadband(),
        "GearFriction": lambda r: we.servos.GearFriction(),
        "IdealPD": lambda r: we.servos.IdealPD(r, 10.0, 0.1, 2.0),
        "VoltageControlledMotor": lambda r: we.servos.VoltageControlledMotor(0.6, 0.3, 2.0, (6.5, 8.2), (0.0, 0.2)),
    },
}
CHECKS = {
    "commands": testing.check_command,
    "controllers": testing.check_controller,
    "endings": testing.check_ending,
    "events": testing.check_event,
    "randomise": testing.check_randomiser,
    "resets": testing.check_reset,
    "sensing": testing.check_sensing,
    "servos": testing.check_servo,
}


def with_clip(env):
    """The env, which asks for a clip, too."""
    clip = we.commands.ClipCommand(env.physics.robot, swinging(env.physics.robot), start=(0.0, 1.0))
    return dataclasses.replace(env, commands={**env.commands, "clip": clip})


@pytest.mark.parametrize(("family", "name"), [(family, name) for family in PARTS for name in PARTS[family]])
def test_a_shipped_part_conforms(family, name, hopper, hopper_env):
    on = hopper_env if name == "Gait" else with_clip(hopper_env) if name in ("ClipOver", "ClipReset") else hopper
    if name in ("JointTorque", "JointVelocity"):
        on = of_kind(hopper, {"JointTorque": "motor", "JointVelocity": "velocity"}[name])
    read = {
        "MountingError": we.terms.ProjectedGravity(hopper),
        "HingeOffset": we.terms.HingeAngles(hopper, hopper.joint_names),
    }
    extra = {"term": read[name]} if name in read else {}
    CHECKS[family](PARTS[family][name](hopper), on, **extra)


def all_terms(robot):
    return {**critic_terms(robot), **drawn_terms(robot)}


@pytest.fixture(scope="module")
def arm_terms():
    arm = we.load_robot("reacher")
    return {
        "angles": we.terms.HingeAngles(arm, arm.joint_names),
        "velocities": we.terms.NamedJointVelocities(arm, arm.joint_names),
        "tip": we.terms.SitePosition(arm, "fingertip"),
    }


@pytest.fixture(scope="module")
def arm_rewards():
    arm = we.load_robot("reacher")
    return {
        "high": we.rewards.HingeHeight(arm, "elbow"),
        "still": we.rewards.HingeStill(arm, "elbow", width=0.3, speed=2.0),
        "distance": we.rewards.SiteDistance(arm, "fingertip", "goal"),
        "near": we.rewards.SiteNear(arm, "fingertip", "goal", width=0.03),
    }


@pytest.fixture(scope="module")
def clip_rewards(hopper):
    return {
        "positions": we.rewards.TrackJointPositions(hopper, "clip", width=0.2),
        "velocities": we.rewards.TrackJointVelocities(hopper, "clip", width=2.0),
        "height": we.rewards.TrackBaseHeight(hopper, "clip", width=0.05),
        "tilt": we.rewards.TrackBaseTilt(hopper, "clip", width=0.2),
    }


def test_rewards_for_a_clip_conform(clip_rewards, hopper_env):
    testing.check_rewards(clip_rewards, with_clip(hopper_env))


def test_a_gait_that_its_feet_time_conforms(robot, env):
    """On two feet, which the hopper has not."""
    gait = we.gaits.FootTimedGait(robot)
    assert isinstance(gait, we.commands.AbstractCommand)
    testing.check_command(gait, env)


def test_a_told_pose_conforms(hopper, hopper_env):
    pose = we.commands.JointPoseCommand(hopper, {"hip_pitch": (-0.2, 0.1)})
    env = dataclasses.replace(hopper_env, commands={**hopper_env.commands, "pose": pose})
    testing.check_rewards(pose_rewards(hopper), env)


def pose_rewards(robot):
    pose = we.commands.JointPoseCommand(robot, {"hip_pitch": (-0.2, 0.1)})
    return {"pose": we.rewards.TrackJointPose(pose, "pose", slope=0.5)}


def test_parts_of_an_arm_conform(arm_terms, arm_rewards):
    """Those that name joints, sites and places: on a robot without feet, in the env that has its goals."""
    env = we.load_recipe("reach")(physics="native").env
    testing.check_terms(arm_terms, env)
    testing.check_rewards(arm_rewards, env)


def test_shipped_terms_conform(hopper, world):
    testing.check_terms(all_terms(hopper), world)


def test_a_foot_switch_conforms_on_a_robot_that_has_some(hopper):
    switched = with_switches(hopper)
    testing.check_term(we.terms.FootSwitches(switched), switched)


def test_shipped_rewards_conform(hopper, hopper_env):
    testing.check_rewards(all_rewards(hopper), hopper_env)


@pytest.mark.parametrize("family", [*PARTS, "terms", "rewards"])
def test_every_part_of_a_namespace_is_tried(family, hopper, arm_terms, arm_rewards, clip_rewards):
    space = getattr(we, family)
    classes = [value for value in map(space.__dict__.get, space.__all__) if inspect.isclass(value)]
    bases = tuple(kind for kind in classes if kind.__name__.startswith("Abstract") and "State" not in kind.__name__)
    wanted = {kind for kind in classes if issubclass(kind, bases) and not kind.__name__.startswith("Abstract")}
    groups = {
        "terms": {**all_terms(hopper), **arm_terms},
        "rewards": {**all_rewards(hopper), **arm_rewards, **clip_rewards, **pose_rewards(hopper)},
    }
    tried = groups[family].values() if family in groups else [make(hopper) for make in PARTS[family].values()]
    assert wanted - {we.terms.FootSwitches} <= {type(part) for part in tried}


@pytest.mark.parametrize("name", ["hopper", "microduck", "solo12", "wildrobot", "wildrobot17"])
def test_a_shipped_robot_conforms(name):
    testing.check_robot(we.load_robot(name))


def test_the_native_engine_conforms(hopper):
    testing.check_physics(we.NativePhysics(hopper, threads=1))


# --- what does not conform is reported -------------------------------------------------------------------


class Lopsided(we.terms.AbstractStatelessTerm):
    """Its reflection, applied twice, is another vector."""

    unit = "1"
    frame = "none"
    size = 2
    measurable = False
    source = "nothing"
    mirror = Mirror((1, 0), (1.0, -1.0))

    def __call__(self, signals):
        return jnp.zeros((2,), jnp.float32)


class Sticky(we.randomise.AbstractRandomiser):
    """It writes the model's gravity over what another randomiser has made of it."""

    gravity: jax.Array

    def __call__(self, key, params):
        mass = params.body_mass * jax.random.uniform(key, (), jnp.float32, 0.9, 1.1)
        return dataclasses.replace(params, body_mass=mass, gravity=self.gravity)


class Outside(we.resets.AbstractReset):
    """It bends every joint beyond its range."""

    robot: we.Robot

    def __call__(self, key, commands):
        qpos = self.robot.home_qpos
        for address in self.robot.joint_qpos:
            qpos = qpos.at[address].set(10.0)
        return qpos, jnp.zeros((self.robot.nv,), jnp.float32)


class Lopsided2(we.controllers.AbstractController):
    """It drives one joint alone, whatever its mirror says."""

    inner: we.controllers.JointPosition
    action_size = property(lambda self: self.inner.action_size)
    mirror = property(lambda self: self.inner.mirror)

    def rest(self):
        return self.inner.rest()

    def init(self):
        return self.inner.init()

    def __call__(self, state, action):
        return self.inner(state, action.at[0].multiply(2.0))


class Endless(we.rewards.AbstractStatelessReward):
    """It divides by nothing."""

    weight: jax.Array = eqx.field(default=1.0, converter=lambda value: jnp.asarray(value, jnp.float32))

    def __call__(self, signals):
        return signals.physics.time / (signals.physics.time - signals.physics.time)


class Lenient(we.gates.AbstractGate):
    """Whatever a policy does, it passes; `cut` is what it says of its episodes."""

    cut: str = eqx.field(static=True)
    episodes: int = eqx.field(static=True, default=2)
    seconds: float = eqx.field(static=True, default=1.0)
    timesteps: tuple[float, ...] = eqx.field(static=True, default=(0.005,))

    def cases(self, env):
        return ()

    def meter(self, env):
        raise NotImplementedError

    def limits(self, env):
        return ()

    def __call__(self, env, policy, *, episodes=None, timesteps=None, engine="native"):
        line = we.gates.GateLine("survival", 0.0, 0.005, 1.0, ">= 0.95", True)
        return we.gates.GateResult(lines=(line,), figures=(), provisional=self.cut)


class Deaf(we.commands.AbstractCommand):
    """A command that cannot be held."""

    channels = observed = (we.Channel("goal", "m", 1.0),)
    needs = ()

    def bounds(self):
        return jnp.array([[0.0, 1.0]], jnp.float32)

    def sample(self, key):
        return jax.random.uniform(key, (1,), jnp.float32)

    def start(self, state, physics, others):
        return state

    def step(self, key, state, physics, dt, others):
        return state

    def observe(self, state):
        return state

    def hold(self, value):
        return self

    def set(self, state, value):
        return value

    def asked(self, state):
        return state

    def metrics(self, state, physics):
        return {}

    def constants(self):
        return {}


@pytest.mark.parametrize(
    ("check", "make", "message"),
    [
        (testing.check_term, lambda r: Lopsided(), "applied twice"),
        (testing.check_randomiser, lambda r: Sticky(jnp.asarray(r.model.mj.opt.gravity, jnp.float32)), "gravity"),
        (testing.check_reset, Outside, "outside of its range"),
        (testing.check_reward, lambda r: Endless(), "not finite"),
        (testing.check_command, lambda r: Deaf(), "has the bounds"),
    ],
    ids=["term", "randomiser", "reset", "reward", "command"],
)
def test_a_part_that_does_not_conform_is_reported(check, make, message, hopper):
    with pytest.raises(AssertionError, match=message):
        check(make(hopper), hopper)


def test_a_controller_that_breaks_the_mirror_is_reported(robot):
    with pytest.raises(AssertionError, match="mirrored action"):
        testing.check_controller(Lopsided2(we.controllers.JointPosition(robot)), robot)


def test_a_part_that_breaks_the_contract_is_reported_leaf_by_leaf(hopper):
    class Wide(we.endings.AbstractStatelessEnding):
        truncates = False

        def __call__(self, signals):
            return signals.physics.qpos > 0.0

    with pytest.raises(AssertionError, match=r"env.endings\['tested'\]"):
        testing.check_ending(Wide(), hopper)


def test_an_engine_that_is_not_mujoco_is_reported(hopper):
    physics = StillPhysics(hopper)
    testing.check_physics(physics, tolerance=float("inf"))
    with pytest.raises(AssertionError, match="differs from MuJoCo"):
        testing.check_physics(physics, tolerance=1e-6)


def test_a_gate_says_that_one_episode_is_provisional(hopper_env):
    policy = we.ppo.init(hopper_env, we.PPO(num_envs=4, hidden=(8,)), jax.random.key(0)).agent.policy
    assert testing.check_gate(Lenient("1 of 2 episodes"), hopper_env, policy).passed
    with pytest.raises(AssertionError, match="final"):
        testing.check_gate(Lenient(""), hopper_env, policy)
