"""What the figures of a walking gate mean, in words: they travel in a bundle, so that others can measure the same."""

from collections.abc import Iterable

PROTOCOL = (
    "Episodes begin in a state that the contract's `reset` draws, and last `seconds`. The command holds from the first "
    "step to the last; actions are the policy's mean. Each is measured at the end of every control step, in nominal "
    "physics. The first `warmup` seconds count for survival, and for drift and heading at the end, and "
    "for nothing else. "
    "An episode that falls (`simulation`: min_height, max_tilt) is over. A foot is loaded from a "
    "vertical force of 10% of "
    "the robot's weight on, and stays so until it falls below 3%. A swing is the time for which a foot is not loaded."
)
DEFINITIONS = {
    "survival": "fraction of episodes that last their whole time",
    "speed": "m/s: displacement of the base along the commanded heading after the warm-up, over the time; mean",
    "speed_error": "m/s: distance of an episode's speed from the command; mean over episodes",
    "lateral_speed": "m/s: the same as speed, to the left",
    "lateral_error": "m/s: distance of an episode's lateral speed from the command; mean over episodes",
    "turn": "rad/s: change of the heading after the warm-up, to the left, over the time; mean",
    "turn_error": "rad/s: distance of an episode's turn from the command; mean over episodes",
    "drift": "m: distance of the base from the commanded line at the end of an episode; median",
    "heading_error": "degrees: distance of the IMU's heading from the commanded one at the end; median",
    "swing_peak": "m: greatest height of the sole's centre above the floor in a swing; median over all "
    "swings of a foot",
    "step_rate": "Hz: touch-downs of all feet per second",
    "duty_factor": "fraction of time in which a foot is loaded, mean over feet",
    "swing_ratio": "ratio of an episode's mean swing times, of the left feet to the right ones; median of its size",
    "feet_down": "fraction of time in which every foot is loaded",
    "travel_speed": "m/s: displacement of the base in any direction after the warm-up, over the time; mean",
    "pitch": "degrees: trunk pitch, positive nose down; an episode's mean, its size averaged over episodes",
    "slip": "m/s: mean horizontal speed of the sole's centre while its foot is loaded",
    "torque_rms": "N m: root of the mean square over all joints and samples",
    "torque_rms_ratio": "torque_rms as a fraction of the joints' torque limits",
    "torque_peak_ratio": "the greatest torque as a fraction of the joint's limit",
    "joint_torque_ratio": "the greatest RMS torque of one joint as a fraction of its limit",
    "joint_torque_continuous": "the greatest RMS torque of one joint as a fraction of what its servo bears for ever",
    "saturated": "fraction of joint samples with at least 99% of the torque limit",
    "overspeed": "fraction of joint samples faster than the servo's no-load speed",
    "action_rate": "RMS change of the action from one control step to the next",
    "drag": "of the samples in which a foot moves faster than the base: those in which the floor still bears it",
    "in_step": "fraction of samples in which feet that the gait moves together are all loaded or all not",
    "pair_ratio": "ratio of mean swing times of the gait's two groups of feet",
}


def definitions(names: Iterable[str]) -> dict[str, str]:
    """What some figures mean, by name; of each foot's or each kick's own figure, what its kind means."""
    found = {}
    for name in sorted(set(names)):
        whole = next((kind for kind in ("swing_peak", "survival") if name.startswith(f"{kind}_")), name)
        if whole in DEFINITIONS:
            found[name] = DEFINITIONS[whole]
    return found
