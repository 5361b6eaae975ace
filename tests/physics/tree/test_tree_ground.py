"""Single bodies on the ground: rest, slide, stick and roll, beside MuJoCo with its solver run to the end."""

import jax.numpy as jnp
import numpy as np
import pytest
from tree_runs import at_rest, mujoco_run, tree_run
from tree_scenes import SHAPES, scene

from wildrobot_eqx.physics.tree.physics import EFFORT
from wildrobot_eqx.robots import Model

N, CHUNKS, STEPS, G = 12, 125, 4, 9.81
each_cone = pytest.mark.parametrize("cone", ["pyramidal", pytest.param("elliptic", marks=pytest.mark.slow)])


def friction(chosen: Model, mu) -> np.ndarray:
    values = np.tile(chosen.mj.geom_friction, (N, 1, 1))
    values[:, :, 0] = np.reshape(mu, (-1, 1))
    return values


def slope(tangent) -> np.ndarray:
    """Gravity on a slope that falls along x: of this tangent."""
    angle = np.broadcast_to(np.arctan(tangent), N)
    return G * np.stack([np.sin(angle), 0.0 * angle, -np.cos(angle)], axis=1)


def settled(chosen: Model):
    """Poses of bodies that lie still, as deep as MuJoCo lets them."""
    run = mujoco_run(chosen, at_rest(chosen, chosen.mj.qpos0), 1, 1000)
    return np.tile(run["qpos"][-1, 0], (N, 1))


def both(chosen: Model, states, changes, dtype=jnp.float32):
    """One second of each engine; found by name, (CHUNKS, N, ...)."""
    ours = tree_run(chosen, EFFORT, states, CHUNKS, STEPS, dtype, changes)
    return ours, mujoco_run(chosen, states, CHUNKS, STEPS, changes)


@each_cone
@pytest.mark.parametrize("shape", ["ball", *(pytest.param(s, marks=pytest.mark.slow) for s in ("box", "log", "egg"))])
def test_a_body_comes_to_rest_where_mujocos_does(shape, cone):
    """Dropped from 1 mm under half to double gravity: depth in the ground, and its force, which is the weight."""
    chosen = scene(shape, cone)
    mj, factor = chosen.mj, np.linspace(0.5, 2.0, N)
    changes = {"gravity": mj.opt.gravity * factor[:, None]}
    qpos = np.tile(mj.qpos0, (N, 1))
    qpos[:, 2] += 0.001
    ours, theirs = both(chosen, at_rest(chosen, qpos), changes)
    apart = np.abs(ours["qpos"] - theirs["qpos"])[:, :, 2]
    depth = SHAPES[shape]["height"] - ours["qpos"][-1, :, 2]
    load = ours["sensordata"][-1, :, 2] / (factor * mj.body_mass[1] * G)
    print(f"height off by {1e3 * apart[-1].max():.1e} mm, at worst {1e3 * apart.max():.1e} mm, ", end="")
    print(f"depth {1e3 * depth.min():.3f} to {1e3 * depth.max():.3f} mm, load off by {np.abs(load - 1).max():.1e}")
    assert apart.max() < 1e-5, "the bar is 0.2 mm"
    assert 0.0 < depth.min() <= depth.max() < 6e-4
    assert np.abs(load - 1.0).max() < 1e-3, "the bar is 1%"


@each_cone
@pytest.mark.parametrize("double", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["float64", "float32"])
def test_friction_brakes_a_box_by_mu_g(cone, double):
    """From 2 m/s to rest along both axes: the way is v^2 / (2 mu g)."""
    chosen = scene("box", cone)
    mu, speed = np.repeat([0.3, 0.4, 0.5], 4), np.zeros((N, 6))
    for i in range(N):
        speed[i, i % 2] = 2.0 * (-1) ** (i // 2)
    states, changes = at_rest(chosen, settled(chosen), speed), {"geom_friction": friction(chosen, mu)}
    ours, theirs = both(chosen, states, changes, jnp.float64 if double else jnp.float32)
    way, wanted = (np.linalg.norm(r["qpos"][-1, :, :2], axis=1) for r in (ours, theirs))
    braking = 4.0 / (2.0 * way) / (mu * G)
    print(f"braking over mu g: {braking.min():.4f} to {braking.max():.4f}, ", end="")
    print(f"way off by {np.abs(way / wanted - 1).max():.1e}")
    assert np.abs(braking - 1.0).max() < 0.02
    assert np.abs(way / wanted - 1.0).max() < (1e-6 if double else 1e-4)


@each_cone
@pytest.mark.parametrize("double", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["float64", "float32"])
def test_a_box_sticks_up_to_the_cones_angle(cone, double):
    """Slopes about the cone's angle: below it the box creeps as soft constraints let it, above it slides."""
    chosen, mu = scene("box", cone), 0.5
    share = np.array([0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0])
    changes = {"geom_friction": friction(chosen, mu), "gravity": slope(mu * share)}
    states = at_rest(chosen, settled(chosen))
    ours, theirs = both(chosen, states, changes, jnp.float64 if double else jnp.float32)
    angle = np.arctan(mu * share)
    free = 0.5 * G * (np.sin(angle) - mu * np.cos(angle))  # the way of a rigid box in 1 s
    way, wanted = ours["qpos"][-1, :, 0], theirs["qpos"][-1, :, 0]
    holds = share < 1.0
    print(f"sticking: {1e3 * way[holds].max():.1f} mm in 1 s, MuJoCo's {1e3 * wanted[holds].max():.1f} mm; ", end="")
    print(f"sliding: at least {1e3 * way[~holds].min():.1f} mm; apart {1e3 * np.abs(way - wanted).max():.1e} mm")
    assert way[holds].max() < 0.006
    assert way[~holds].min() > 0.04
    np.testing.assert_allclose(way[share > 1.09], free[share > 1.09], rtol=0.05)
    np.testing.assert_allclose(way, wanted, atol=1e-6 if double else 1e-3)


@each_cone
def test_a_ball_slides_then_rolls_and_rolls_down_slopes(cone):
    """Thrown without spin it ends at 5/7 of its speed; down a slope it gains 5/7 g sin(angle)."""
    chosen = scene("ball", cone)
    speed, tangent = np.zeros((N, 6)), np.zeros(N)
    speed[: N // 2, 0] = np.linspace(0.5, 2.0, N // 2)
    tangent[N // 2 :] = np.linspace(0.1, 0.5, N // 2)
    changes = {"geom_friction": friction(chosen, 0.5), "gravity": slope(tangent)}
    ours, theirs = both(chosen, at_rest(chosen, settled(chosen), speed), changes)
    end, spin = ours["qvel"][-1, :, 0], ours["qvel"][-1]
    wanted = np.where(np.arange(N) < N // 2, speed[:, 0], G * np.sin(np.arctan(tangent))) * 5 / 7
    apart = np.abs(ours["qpos"] - theirs["qpos"]).max()
    print(f"speed over the rigid ball's {(end / wanted).min():.4f} to {(end / wanted).max():.4f}; apart {apart:.1e}")
    np.testing.assert_allclose(end, wanted, rtol=0.005)
    np.testing.assert_allclose(np.linalg.norm(spin[:, 3:], axis=1) * 0.05, end, rtol=0.005)
    assert apart < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
def test_a_log_rolls_as_mujocos(cone):
    chosen = scene("log", cone)
    tangent = np.linspace(0.05, 0.6, N)
    changes = {"geom_friction": friction(chosen, 0.8), "gravity": slope(tangent)}
    ours, theirs = both(chosen, at_rest(chosen, settled(chosen)), changes)
    apart = np.abs(ours["qpos"] - theirs["qpos"]).max()
    print(f"{ours['qpos'][-1, :, 0].max():.2f} m in 1 s, apart {apart:.1e}")
    assert ours["qpos"][-1, 0, 0] > 0.1
    assert apart < 1e-4
