"""Forces of actuators. Source: MuJoCo's documentation, Computation, "Actuation model"."""

from .model import Tree
from .scalar import Num, Scalar, both, clip, where


def actuator_length(tree: Tree, i: int, qpos: list[Scalar]) -> Scalar:
    """The actuator's length: gear times the joint's position."""
    return tree.actuators[i].gear * qpos[tree.actuators[i].qpos]


def actuator_velocity(tree: Tree, i: int, qvel: list[Scalar]) -> Scalar:
    """The rate of the actuator's length."""
    return tree.actuators[i].gear * qvel[tree.actuators[i].dof]


class Gains:
    """An actuator's gain and bias parameters, and its force range."""

    def __init__(self, gain: list[Scalar], bias: list[Scalar], span: list[Scalar]):
        self.gain, self.bias, self.span = gain, bias, span


def actuator_forces(
    tree: Tree, gains: list[Gains], qpos: list[Scalar], qvel: list[Scalar], ctrl: list[Scalar]
) -> tuple[list[Scalar], list[Scalar]]:
    """Each actuator's force, and the derivative of each by its velocity (0 where its range clips it)."""
    forces: list[Scalar] = []
    slopes: list[Scalar] = []
    for i, actuator in enumerate(tree.actuators):
        length, speed = actuator_length(tree, i, qpos), actuator_velocity(tree, i, qvel)
        command, g = ctrl[i], gains[i]
        if actuator.ctrl_range:
            command = clip(command, *actuator.ctrl_range)
        gain = g.gain[0]
        slope: Scalar = 0.0
        if actuator.affine_gain:
            gain = gain + g.gain[1] * length + g.gain[2] * speed
            slope = slope + g.gain[2] * command
        force = gain * command
        if actuator.affine_bias:
            force = force + g.bias[0] + g.bias[1] * length + g.bias[2] * speed
            slope = slope + g.bias[2]
        if actuator.limited:
            free = both(force > g.span[0], force < g.span[1])
            force = clip(force, g.span[0], g.span[1])
            slope = where(free, slope, 0.0) if isinstance(slope, Num) else slope
        forces.append(force)
        slopes.append(slope)
    return forces, slopes


def joint_forces(tree: Tree, forces: list[Scalar]) -> list[Scalar]:
    """Generalised forces of the actuators, clipped to what each joint can take."""
    out: list[Scalar] = [0.0] * tree.nv
    for actuator, force in zip(tree.actuators, forces):
        out[actuator.dof] = out[actuator.dof] + actuator.gear * force
    for body in tree.bodies:
        for joint in body.joints:
            if joint.force_range and isinstance(out[joint.dof], Num):
                out[joint.dof] = clip(out[joint.dof], *joint.force_range)
    return out


def velocity_slopes(tree: Tree, slopes: list[Scalar]) -> list[Scalar]:
    """The derivative of each dof's actuator force by its own velocity."""
    out: list[Scalar] = [0.0] * tree.nv
    for actuator, slope in zip(tree.actuators, slopes):
        out[actuator.dof] = out[actuator.dof] + actuator.gear * actuator.gear * slope
    return out
