"""Find a joint's dry friction and armature from a recorded trajectory, by gradients through the tree engine.

python docs/examples/system_identification.py
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax

import wildrobot_eqx as we

robot = we.load_robot("hopper")
real, model = we.NativePhysics(robot), we.TreePhysics(robot)
KNEE = robot.joint_names.index("knee_pitch")
DOF = robot.joint_dof[KNEE]
STEPS = 150
TRUE = {"dof_frictionloss": 0.06, "dof_armature": 0.016}  # the MJCF says 0.02 N m and 0.01 kg m^2


def with_knee(params: we.PhysicsParams, values: dict) -> we.PhysicsParams:
    """The parameters with the knee's own friction loss (N m) and armature (kg m^2)."""
    return dataclasses.replace(params, **{n: getattr(params, n).at[DOF].set(v) for n, v in values.items()})


# The recording: MuJoCo's C engine stands in for the robot, which hangs in the air and swings its knee.
times = np.arange(100) * real.control_dt
ctrl = np.tile(np.asarray(robot.home_joints), (len(times), 1))
ctrl[:, KNEE] += 0.4 * np.sin(2.0 * np.pi * (0.5 + 0.8 * times) * times)
params = dataclasses.replace(real.params(), gravity=jnp.zeros(3, jnp.float32))
start = real.init(params, robot.home_qpos.at[1].add(1.0), jnp.zeros(robot.nv, jnp.float32))


@jax.jit
def record(ctrl):
    truth = with_knee(params, TRUE)

    def body(state, command):
        new = real.step(truth, state, command)
        return new, (state, new.qvel)

    return jax.lax.scan(body, start, ctrl)[1]


recording = (*record(jnp.asarray(ctrl, jnp.float32)), jnp.asarray(ctrl, jnp.float32))

# The fit, in float64: the tree engine computes in the precision of the states that it is given.
jax.config.update("jax_enable_x64", True)
(states, qvel, ctrl), params = jax.tree.map(lambda a: a.astype(jnp.float64), (recording, params))


def loss(logs):
    """Mean squared error of the knee, one control step ahead of every recorded state."""
    guess = with_knee(params, {name: jnp.exp(value) for name, value in logs.items()})
    predicted = jax.vmap(lambda state, command: model.step(guess, state, command))(states, ctrl)
    return jnp.mean((predicted.qvel[:, DOF] - qvel[:, DOF]) ** 2)


nominal = {name: getattr(params, name)[DOF] for name in TRUE}
logs = jax.tree.map(jnp.log, nominal)  # by logarithms: both stay positive, and steps are relative
optimiser = optax.adam(optax.cosine_decay_schedule(0.1, STEPS))


@jax.jit
def update(logs, memory):
    error, slope = jax.value_and_grad(loss)(logs)
    step, memory = optimiser.update(slope, memory)
    return optax.apply_updates(logs, step), memory, error


memory = optimiser.init(logs)
for i in range(STEPS + 1):
    logs, memory, error = update(logs, memory)
    if i % 30 == 0:
        print(f"step {i:3d}: error {float(error) ** 0.5:.1e} rad/s, ", end="")
        print(", ".join(f"{name} {float(jnp.exp(value)):.5f}" for name, value in logs.items()))
found = {name: float(jnp.exp(value)) for name, value in logs.items()}
for name, unit in (("dof_frictionloss", "N m"), ("dof_armature", "kg m^2")):
    print(f"{name}: found {found[name]:.5f} {unit}, true {TRUE[name]:.5f}, the MJCF's {float(nominal[name]):.5f}")
