"""Servo models inside an engine, against what MuJoCo has: its DC motor, a passive joint in series, dry friction."""

import dataclasses
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from helpers import replace, shifted

import wildrobot_eqx as we
from wildrobot_eqx.paths import data_dir

UPDATES = 2


class Chain:
    """A robot's servos on an engine, jitted and batched; home pose, feet off the floor, no gravity."""

    def __init__(self, physics, parts, updates=UPDATES):
        self.physics, robot = physics, physics.robot
        self.servos = we.Servos(robot, parts, updates)
        params = physics.params()
        self.params = dataclasses.replace(params, gravity=jnp.zeros(3, jnp.float32))
        self.zero = jnp.zeros(robot.nu, jnp.float32)
        self.home = robot.home_qpos.at[1].add(1.0)

        @eqx.filter_jit
        def begin(servos, keys):
            def one(key):
                state = physics.init(self.params, self.home, jnp.zeros(robot.nv, jnp.float32))
                return state, servos.init(key, physics, self.params, state, self.zero)

            return jax.vmap(one)(keys)

        @eqx.filter_jit
        def step(servos, state, servo, target):
            def one(state, servo, target):
                return servos.step(physics, self.params, state, servo, target, self.zero)

            return jax.vmap(one)(state, servo, target)

        self.begin = lambda n: begin(self.servos, jax.random.split(jax.random.key(shifted(0)), n))
        self.step = lambda state, servo, target: step(self.servos, state, servo, target)


@pytest.fixture(scope="module")
def chain(hopper):
    motor = we.servos.DCMotor(hopper, voltage=(9.6, 12.6), strength=(0.9, 1.1))
    return Chain(we.NativePhysics(hopper, threads=1), {"motor": motor})


def dc_motors(robot, voltage: float, strength: float) -> mujoco.MjModel:
    """The hopper with MuJoCo's own DC motors in place of its position servos."""
    text = (data_dir("robots") / "hopper" / "hopper.xml").read_text(encoding="utf-8")
    stall, no_load, rated = float(robot.servo.stall_torque[0]), float(robot.servo.no_load_speed[0]), 11.1
    constant = rated / no_load
    ohm = constant * rated / stall / strength
    motors = "".join(
        f'<dcmotor name="{name}" joint="{name}" motorconst="{constant}" resistance="{ohm}"/>'
        for name in robot.joint_names
    )
    text = re.sub(r"<actuator>.*</actuator>", f"<actuator>{motors}</actuator>", text, flags=re.S)
    mj = mujoco.MjModel.from_xml_string(text)
    mj.opt.timestep, mj.opt.gravity[:] = 0.005, 0.0
    return mj


@pytest.mark.slow
def test_the_motor_is_mujocos_dc_motor_behind_a_duty_cycle(chain, hopper):
    """Same joint angles as `<dcmotor>` fed with volts by a loop in NumPy, in float64, at every substep."""
    state, servo = chain.begin(2)
    servo["motor"] = replace(servo["motor"], strength=jnp.full((2, 3), 0.9, jnp.float32))
    volts = np.asarray(servo["motor"].source, float)
    assert abs(volts[0] - volts[1]) > 0.5
    kp = float(hopper.model.mj.actuator_gainprm[0, 0])
    references = []
    for volt in volts:
        mj = dc_motors(hopper, volt, 0.9)
        data = mujoco.MjData(mj)
        data.qpos[:] = np.asarray(chain.home)
        references.append((mj, data, volt))
    rng, largest = np.random.default_rng(0), 0.0
    for _ in range(25):
        target = np.asarray(hopper.home_joints) + rng.uniform(-0.5, 0.5, hopper.nu)
        state, servo = chain.step(state, servo, jnp.tile(jnp.asarray(target, jnp.float32), (2, 1)))
        for i, (mj, data, volt) in enumerate(references):
            for _ in range(chain.physics.n_substeps):
                error = target - data.qpos[list(hopper.joint_qpos)]
                data.ctrl[:] = volt * np.clip(kp * error / hopper.servo.stall_torque, -1.0, 1.0)
                mujoco.mj_step(mj, data)
            largest = max(largest, np.abs(data.qpos - np.asarray(state.qpos[i])).max())
    assert largest < 1e-4
    assert np.abs(np.asarray(state.qpos[0] - state.qpos[1])).max() > 0.01, "two voltages move alike"


@pytest.mark.slow
def test_speed_without_load_goes_with_the_voltage(chain, hopper):
    """A free joint at full duty; what is left of friction is MuJoCo's own."""
    state, servo = chain.begin(2)
    servo["motor"] = replace(servo["motor"], source=jnp.asarray([9.6, 12.6]), strength=jnp.ones((2, 3)))
    ankle = hopper.joint_names.index("ankle_pitch")
    target = hopper.home_joints.at[ankle].set(hopper.joint_range[ankle, 0])
    for _ in range(20):
        state, servo = chain.step(state, servo, jnp.tile(target, (2, 1)))
    target, fastest = target.at[ankle].set(hopper.joint_range[ankle, 1]), np.zeros(2)
    for _ in range(8):
        state, servo = chain.step(state, servo, jnp.tile(target, (2, 1)))
        fastest = np.maximum(fastest, np.asarray(jax.vmap(hopper.joint_velocities)(state.qvel))[:, ankle])
    stall, slope = 8.0 * np.array([9.6, 12.6]) / 11.1, 8.0 / 12.0
    np.testing.assert_allclose(fastest, (stall - 0.02) / (slope + 0.1), rtol=0.05)


# --- one joint in plain MuJoCo -------------------------------------------------------------------------------

PLAY, STIFFNESS = np.deg2rad(2.0), 20.0
ARM = '<inertial pos="0.1 0 0" mass="{mass}" diaginertia="0.002 0.002 0.002"/>'
LOOSE = """<mujoco><option timestep="0.001"/><worldbody><body>
    <joint name="motor" axis="0 -1 0" armature="0.0005" damping="0.3"/>
    <inertial pos="0 0 0" mass="0.01" diaginertia="1e-5 1e-5 1e-5"/>
    <body name="arm">
      <joint name="gap" axis="0 -1 0" range="{low} {high}" limited="true" damping="0.001" solreflimit="0.003 1"/>{arm}
    </body></body></worldbody>
  <actuator><position joint="motor" kp="20"/></actuator></mujoco>"""
SINGLE = """<mujoco><option timestep="0.001"/><worldbody><body name="arm">
    <joint name="motor" axis="0 -1 0" damping="0.3" frictionloss="0.01" solimpfriction="0.9999 0.9999 0.001"/>{arm}
    </body></worldbody>
  <actuator><position joint="motor" kp="20" forcerange="-4 4"/></actuator></mujoco>"""


class Joint:
    """One joint in plain MuJoCo whose law a servo part makes anew in every step."""

    def __init__(self, part, mass: float = 0.5, stiffness: float = STIFFNESS):
        self.mj = mujoco.MjModel.from_xml_string(SINGLE.format(arm=ARM.format(mass=mass)))
        self.data, self.part = mujoco.MjData(self.mj), part
        self.plain = we.servos.ServoLaw(*(jnp.asarray([x], jnp.float32) for x in (0.0, stiffness, 0.0, 4.0, 0.3, 0.01)))
        self.dt = float(self.mj.opt.timestep)
        self.state = part.init(jax.random.key(shifted(0)), self.seen(), jnp.zeros(1, jnp.float32), self.dt)
        self._law = jax.jit(
            lambda state, target, at: part(state, eqx.tree_at(lambda d: d.target, self.plain, target), at, self.dt)
        )

    def seen(self) -> we.servos.Joints:
        data = self.data
        return we.servos.Joints(
            *(jnp.asarray(x, jnp.float32) for x in (data.qpos, data.qvel, data.actuator_force, self.mj.dof_armature))
        )

    def step(self, target: float, steps: int = 1, torque: float = 0.0) -> np.ndarray:
        """The joint's angle after each of `steps`, under `torque` (N m) on the arm."""
        trace, self.data.xfrc_applied[1, 4] = [], -torque
        for _ in range(steps):
            law, self.state = self._law(self.state, jnp.asarray([target], jnp.float32), self.seen())
            self.mj.actuator_gainprm[0, 0], self.mj.actuator_biasprm[0, 1] = law.stiffness[0], -law.stiffness[0]
            self.mj.dof_damping[:], self.mj.dof_frictionloss[:] = law.drag, law.friction
            self.data.ctrl[:] = law.target
            mujoco.mj_step(self.mj, self.data)
            trace.append(self.data.qpos[0])
        return np.array(trace)


def in_series(torque: np.ndarray, mass: float) -> np.ndarray:
    """The joint's angle, commanded to stay at 0, with a passive joint between motor and arm."""
    low, high = np.rad2deg([-PLAY / 2, PLAY / 2])
    mj = mujoco.MjModel.from_xml_string(LOOSE.format(low=low, high=high, arm=ARM.format(mass=mass)))
    data, trace = mujoco.MjData(mj), []
    for value in torque:
        data.xfrc_applied[2, 4] = -value
        mujoco.mj_step(mj, data)
        trace.append(data.qpos.sum())
    return np.array(trace)


def test_backlash_holds_a_load_where_a_passive_joint_in_series_does():
    """A static load hangs at the gap's lower end, lower by half the play than without."""
    load = 0.5 * 9.81 * 0.1
    series = in_series(np.zeros(2000), mass=0.5)[-1]
    ours = Joint(we.servos.Backlash((PLAY, PLAY))).step(0.0, 2000)[-1]
    tight = Joint(we.servos.Backlash((0.0, 0.0))).step(0.0, 2000)[-1]
    assert ours == pytest.approx(series, abs=0.05 * PLAY)
    assert tight - ours == pytest.approx(0.5 * PLAY, abs=0.05 * PLAY)
    assert tight == pytest.approx(-load / STIFFNESS, rel=0.1)


@pytest.mark.slow
def test_backlash_moves_like_a_passive_joint_in_series():
    """Under a load that changes sides three times a second, as a leg's does."""
    torque = 0.6 * np.sin(2 * np.pi * 3.0 * np.arange(1000) * 0.001)
    series = in_series(torque, mass=0.05)
    error = {}
    for name, play in (("with", PLAY), ("without", 0.0)):
        joint = Joint(we.servos.Backlash((play, play)), mass=0.05)
        moved = np.array([joint.step(0.0, torque=value)[0] for value in torque])
        error[name] = np.sqrt(np.mean((moved - series) ** 2)) / PLAY
    print(f"rms error in shares of the play: {error['with']:.3f} with the gap, {error['without']:.3f} without")
    assert error["with"] < 0.15
    assert error["without"] > 0.3


@pytest.mark.parametrize(("share", "moves"), [(0.9, False), (1.15, True)])
def test_a_joint_breaks_away_at_the_static_friction(share, moves):
    """Motor off: Coulomb and Stribeck together hold up to 0.06 N m, Coulomb alone would hold 0.01."""
    none = dict.fromkeys(("load_motor", "load_external", "load_motor_stribeck", "load_external_stribeck"), 0.0)
    joint = Joint(we.servos.GearFriction(stribeck=0.05, **none), mass=1e-4, stiffness=0.0)
    joint.data.qfrc_applied[:] = share * 0.06
    joint.step(0.0, 300)
    assert bool(abs(joint.data.qpos[0]) > 0.005) is moves


@pytest.mark.slow
@pytest.mark.parametrize(("angle", "stays"), [(-0.0206, True), (-0.0188, False)])
def test_load_on_the_gears_adds_friction(angle, stays):
    """Held above its balance, an arm stays where friction by load can hold what the motor does not.

    The motor gives m = -20 angle, the load answers -m: friction is 0.01 + 0.1 * 2 m, and must
    be at least the weight 0.4905 less m, so m >= 0.4004 and angle <= -0.0200.
    """
    loads = {"load_motor": 0.1, "load_external": 0.1, "load_motor_stribeck": 0.0, "load_external_stribeck": 0.0}
    joint = Joint(we.servos.GearFriction(stribeck=0.0, **loads))
    joint.data.qpos[:] = angle
    mujoco.mj_forward(joint.mj, joint.data)
    assert bool(abs(joint.step(0.0, 300)[-1] - angle) < 2e-4) is stays
