"""Gains, torque limits and armatures of position actuators, where the file does not give them."""

import dataclasses

import mujoco
import numpy as np
from jaxtyping import Float

from .body import swings
from .datasheets import datasheet
from .drives import Drive
from .findings import Findings
from .plausible import swinging, too_stiff, too_weak, torque_limit
from .stance import Stance, Stand

BANDWIDTH = 31.4  # rad/s (5 Hz), of a joint with a derived gain upon the inertia that it moves
_FASTEST = 80.0  # rad/s, of a joint whose gain holds up the robot, while it moves nothing but its own end
_DAMPED = 0.7  # damping ratio of a derived gain
_STIFF = 0.6  # share of a joint's speed that damping may take away in one physics step
_STEP = 0.005  # s, of physics
_ROUND = 0.7  # rad, by which a joint with the file's gain may swing on in one step: beyond 2 it diverges
_SAG = 0.1  # rad, the most that a joint may sag in the home pose
_UPHOLD = 3.5  # times the stiffness at which a pendulum upside down just does not tip over
_SOFT = 0.25  # rad: no derived gain asks for more than the torque limit at a smaller error, but to hold the robot
_QUICK = 0.005  # s, the least that damping is to stiffness
_SLOW = 0.03  # s, the most that damping is to stiffness
_LOW = 0.7  # share of the legs' reach that counts as the height of a robot that is lower
_OWN = "the file's position actuator"


@dataclasses.dataclass(frozen=True)
class Gain:
    """A position actuator, its limits, and the joint's rotor and damping."""

    joint: str
    kp: float  # N m/rad
    kv: float  # N m s/rad
    torque: float  # N m
    target: tuple[float, float]  # rad
    armature: float  # kg m^2
    damping: float  # N m s/rad
    frictionloss: float  # N m
    speed: float  # rad/s, 0 where nobody says
    why: str  # where the gain comes from
    why_torque: str  # and the torque limit
    assumed: tuple[str, ...] = ()  # fields that are not as the file has them, though the gain is
    rotor: bool = True  # whether armature is a figure of the file or of a datasheet
    unfit: str = ""  # why the file's own gain is not taken


def choose_gains(
    stand: Stand,
    home: dict[str, float],
    stance: Stance,
    drives: tuple[Drive, ...],
    servos: dict[str, str],
    source: mujoco.MjModel,
    findings: Findings,
) -> tuple[Gain, ...]:
    """A gain for each driven joint: of its datasheet, of the file's own actuator, or derived.

    A derived gain makes 5 Hz upon the inertia that the joint moves, damped by 0.7, is at least what
    holds the home pose within 0.1 rad and the legs upright, and no more than the torque limit over 0.25 rad.
    """
    body = stand.body
    weight = stand.body.skeleton.mass * 9.81
    scale = weight * max(stance.height, _LOW * stand.scale)
    free, fixed = _inertias(stand, home)
    above = _moments(stand, home)
    held = dict(zip(body.names, np.abs(stance.torque)))
    legs = {name for leg in stand.legs for name in leg.joints}
    tip = {name: scale / max(len(stand.legs), 2) if name in legs else above[name] for name in body.names}
    need = {
        name: max(held[name] / _SAG, _UPHOLD * tip[name] if name not in legs or _upholds(stand, name) else 0.0)
        for name in body.names
    }
    weak = too_weak(drives, held, legs)
    gains = []
    for drive in drives:
        name = drive.joint
        joint = source.joint(name).id
        dof = int(source.jnt_dofadr[joint])
        low, high = _target(body.range[name], drive.target, home[name])
        figures = source.dof_armature[dof], source.dof_damping[dof], source.dof_frictionloss[dof]
        armature, damping, dry = map(float, figures)
        if name in servos:
            gains.append(_of_datasheet(name, servos[name], (low, high), damping, dry))
            continue
        swing = swinging(armature, max(stance.height, 0.1 * stand.scale))
        torque, why_torque = torque_limit(drive, scale, swing, held[name])
        unfit = (weak or too_stiff(drive.kp, torque)) if drive.kind == "position" else ""
        if drive.kind == "position" and not unfit:
            kp, kv, why, given = drive.kp, drive.kv, _OWN, armature
            if kv + damping <= 0.0:
                kv = min(2.0 * float(np.sqrt(kp * fixed[name])), _SLOW * kp)
                why += ", which has no damping: critically damped"
            armature, kv, more = _steady(kp, kv, armature, free[name])
            why += more
            changes = {"armature": armature != given, "kv": kv != drive.kv}
            assumed, rotor = tuple(key for key, differs in changes.items() if differs), True
        else:
            assumed, rotor = (), armature > 0.0
            kp, kv, armature, why = _derived(fixed[name], free[name], need[name], torque, armature)
        gains.append(
            Gain(
                name, kp, kv, torque, (low, high), armature, damping, dry,
                drive.speed, why, why_torque, assumed, rotor, unfit,
            )
        )  # fmt: skip
    equal = symmetric_gains(stand, tuple(gains))
    _note(equal, findings)
    return equal


def _of_datasheet(joint: str, servo: str, target: tuple[float, float], damping: float, dry: float) -> Gain:
    """A servo's own figures; the joint's damping and dry friction (N m) stay where its datasheet gives no friction."""
    sheet, why = datasheet(servo), f"datasheet of {servo}"
    if sheet.frictionloss > 0.0:
        damping, dry = 0.0, sheet.frictionloss
        why += ", whose friction takes the place of the joint's"
    return Gain(
        joint, sheet.kp, sheet.kv, sheet.stall_torque, target, sheet.armature, damping, dry,
        sheet.no_load_speed, why, f"datasheet of {servo}",
    )  # fmt: skip


def _steady(kp: float, kv: float, armature: float, free: float) -> tuple[float, float, str]:
    """Armature and damping with which the file's gains are steady at physics steps of 5 ms, and what was changed."""
    more = ""
    lacking = kp * (_STEP / _ROUND) ** 2 - free
    if lacking > 0.0:
        free, armature = free + lacking, armature + lacking
        more += f"; armature raised to {armature:.3g} kg m^2 for physics steps of 5 ms"
    most = max(free / _STEP, _QUICK * kp)
    if kv > most:
        more += f"; damping lowered from {kv:.3g} to {most:.3g} N m s/rad for them"
        kv = most
    return armature, kv, more


def _derived(fixed: float, free: float, need: float, torque: float, armature: float) -> tuple[float, float, float, str]:
    """Stiffness, damping, armature and why: for the joint's inertia with the rest held, and with the rest free."""
    soft = max(fixed * BANDWIDTH**2, 1e-6)
    kp = min(max(soft, need), max(torque / _SOFT, need))
    kp = min(kp, torque / 0.02)
    kv = min(2.0 * _DAMPED * float(np.sqrt(kp * max(fixed, kp / _FASTEST**2))), _SLOW * kp)
    # Explicit damping must not take more than a share of the speed in one step of physics.
    more = ""
    if armature <= 0.0:
        armature = max(0.1 * fixed, kv * _STEP / _STIFF - free, kp / _FASTEST**2 - free, 1e-5)
        more = f"; armature of {armature:.3g} kg m^2 assumed, the file has none"
    elif kv * _STEP > _STIFF * free:
        kv = max(_STIFF * free / _STEP, _QUICK * kp)
    if kp == soft:
        why = "5 Hz upon its own inertia"
    elif kp == need:
        why = "what holds the robot at home"
    else:
        why = f"the torque limit over {_SOFT:g} rad"
    return kp, kv, armature, why + more


def _inertias(stand: Stand, home: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """The inertia (kg m^2) that each joint moves at home: all others free, and all others held."""
    body = stand.body
    mj, data = body.mj, body.pose(home)
    data.qvel[:] = 0.0
    mujoco.mj_forward(mj, data)
    full = np.zeros((mj.nv, mj.nv))
    mujoco.mj_fullM(mj, data, full)
    inverse = np.linalg.pinv(full, hermitian=True)
    free = {name: float(1.0 / max(inverse[dof, dof], 1e-12)) for name, dof in body.dof.items()}
    return free, {name: float(full[dof, dof]) for name, dof in body.dof.items()}


def _moments(stand: Stand, home: dict[str, float]) -> dict[str, float]:
    """Weight times distance (N m) of what hangs on each joint at home: the stiffness at which it just does not tip."""
    body = stand.body
    mj, data = body.mj, body.pose(home)
    found = {}
    for name in body.names:
        j, link = body.mj.joint(name).id, body.link_of[name] + 1
        away = float(np.linalg.norm(data.subtree_com[link] - data.xanchor[j]))
        found[name] = 9.81 * float(mj.body_subtreemass[link]) * away
    return found


def _upholds(stand: Stand, name: str) -> bool:
    """Whether a joint of a leg keeps the robot from tipping over: its axis is nearly level."""
    axis: Float[np.ndarray, " 3"] = stand.body.axes[name]
    return swings(stand.body, name) or abs(float(axis[2])) < 0.7


def _target(limits: tuple[float, float], target: tuple[float, float], home: float) -> tuple[float, float]:
    """The range of a command: that of the joint and of the command; half a turn to either side of an endless one."""
    low, high = max(limits[0], target[0]), min(limits[1], target[1])
    low = low if np.isfinite(low) else min(home, 0.0) - np.pi
    high = high if np.isfinite(high) else max(home, 0.0) + np.pi
    return (low, high) if low <= home <= high else (min(low, home), max(high, home))


def symmetric_gains(stand: Stand, gains: tuple[Gain, ...]) -> tuple[Gain, ...]:
    """Derived gains of joints that are each other's image, made equal: the greater of both.

    Armatures of the file stay as they are; where they differ, the lesser damping is steady on both.
    """
    image, by_name = stand.body.reflection.image, {gain.joint: gain for gain in gains}
    found = []
    for gain in gains:
        other = by_name.get(image.get(gain.joint, ""), gain)
        if not (_is_derived(gain) and _is_derived(other)):
            found.append(gain)
            continue
        armature = gain.armature if gain.rotor else max(gain.armature, other.armature)
        alike = gain.armature == other.armature or not (gain.rotor or other.rotor)
        kv = max(gain.kv, other.kv) if alike else min(gain.kv, other.kv)
        found.append(dataclasses.replace(gain, kp=max(gain.kp, other.kp), kv=kv, armature=armature))
    return tuple(found)


def _is_derived(gain: Gain) -> bool:
    return not gain.why.startswith((_OWN, "datasheet"))


def _note(gains: tuple[Gain, ...], findings: Findings) -> None:
    assumed = [gain for gain in gains if gain.why_torque.startswith("assumed")]
    if assumed:
        named = ", ".join(gain.joint for gain in assumed[:3]) + (" ..." if len(assumed) > 3 else "")
        findings.add("torque limits", f"assumed for {named}", assumed[0].why_torque, "guess", check=True)
    derived = [gain for gain in gains if _is_derived(gain)]
    if derived:
        low, high = min(g.kp for g in derived), max(g.kp for g in derived)
        why = "5 Hz upon the robot's own inertia, damped by 0.7, and what holds it at home"
        unfit = [gain.unfit for gain in derived if gain.unfit]
        why += f"; the file's are not taken: {unfit[0]}" if unfit else ""
        told = f"derived for {len(derived)} joints, {low:.3g} to {high:.3g} N m/rad"
        findings.add("gains", told, why, "guess", check=True)
    changed = {key: [gain for gain in gains if key in gain.assumed] for key in ("armature", "kv")}
    if any(changed.values()):
        count = len({gain.joint for group in changed.values() for gain in group})
        told = "; ".join(_spread(key, group) for key, group in changed.items() if group)
        why = "what is steady at physics steps of 5 ms, or damps where the file does not"
        findings.add("gains", f"adjusted for {count} joints: {told}", why, "guess", check=True)
    same = [gain for gain in gains if not gain.assumed and not _is_derived(gain)]
    if same:
        value = "as they are" + (f" for {len(same)} joints" if len(same) < len(gains) else "")
        findings.add("gains", value, "; ".join(dict.fromkeys(gain.why for gain in same)), "sure")


def _spread(key: str, gains: list[Gain]) -> str:
    """The range of an adjusted figure, and of how many joints."""
    values = [getattr(gain, key) for gain in gains]
    what, unit = ("armature", "kg m^2") if key == "armature" else ("damping", "N m s/rad")
    return f"{what} {min(values):.3g} to {max(values):.3g} {unit} of {len(gains)}"
