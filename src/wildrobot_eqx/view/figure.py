"""A robot and its ground in the page's scene, by mjviser's meshes: bodies, contact forces, centre of mass, arrows."""

import math

import mujoco
import numpy as np
import viser
from mjviser.conversions import group_geoms_by_visual_compat, merge_geoms
from numpy.typing import NDArray

from .session import Place

_GROUPS = 3  # of geoms, from 0 on, that are looked at; the rest is for collisions
_FORCE, _COMMAND, _MEASURED, _PUSH = (214, 69, 65), (46, 116, 230), (240, 150, 30), (160, 60, 200)
_MASS = (30, 34, 42)
_UP = np.array([0.0, 0.0, 1.0])
_FELT = 0.08  # of the robot's weight: a lesser force is not drawn
_SIZE = 0.3  # of MuJoCo's extent of a model: what stands for the height of a base that has none
_LONG = 0.9  # heights of the base: an arrow of the robot's own weight, or of the speed sqrt(g h)


class Figure:
    """What is drawn of one place; everything hangs on one node of the scene.

    Args:
        server: viser's server.
        place: the robot.
        name: of the node, such as `/stage/0`.
        label: what stands above it; empty: nothing.
        floor: whether a floor that is a plane is drawn; of several robots one has it.
    """

    def __init__(self, server: viser.ViserServer, place: Place, name: str, label: str = "", floor: bool = True):
        self._scene, self._place, self._name, self._label, self._floor = server.scene, place, name, label, floor
        # m: of the base, by which all that is drawn scales; of an arm near the ground, of its own size
        self.height = max(float(place.shadow.place[2]), _SIZE * place.simulation.model.stat.extent)
        self._build()

    def _build(self) -> None:
        scene, name, model = self._scene, self._name, self._place.simulation.model
        self.model = model
        shadow = self._place.shadow
        solid = model.geom_bodyid > 0
        tops = shadow.data.geom_xpos[solid, 2] + model.geom_rbound[solid]
        self.top = float(tops.max(initial=0.0)) - float(shadow.place[2]) + 0.1 * self.height  # m, above the base
        offset = (*self._place.offset, 0.0)
        self._root = scene.add_frame(name, show_axes=False, position=offset)
        self._bodies = self._add_bodies(model)
        thick = 0.03 * self.height

        def arrows(part: str, colour: tuple[int, int, int], radius: float) -> viser.ArrowsHandle:
            return scene.add_arrows(
                f"{name}/{part}",
                np.zeros((1, 2, 3), np.float32),
                colour,
                shaft_radius=radius,
                head_radius=2.2 * radius,
                head_length=5.0 * radius,
                visible=False,
            )

        self._forces = arrows("forces", _FORCE, 0.6 * thick)
        self._push = arrows("push", _PUSH, 1.3 * thick)
        self._asked = arrows("asked", _COMMAND, 0.6 * thick)
        self._moved = arrows("moved", _MEASURED, 0.6 * thick)
        self._mass = scene.add_icosphere(f"{name}/mass", 1.6 * thick, _MASS, visible=False)
        self._below = scene.add_icosphere(f"{name}/below", 1.6 * thick, _MASS, scale=(1.0, 1.0, 0.1), visible=False)
        self._title = scene.add_label(f"{name}/label", self._label, anchor="bottom-center") if self._label else None

    def _add_bodies(self, model: mujoco.MjModel) -> dict[int, viser.FrameHandle]:
        """A frame for each body with something to see, its meshes below it; the ground where it is no plane."""
        shown = [i for i in range(model.ngeom) if model.geom_group[i] < _GROUPS and model.geom_rgba[i, 3] > 0.0]
        robot = [i for i in shown if model.body_weldid[model.geom_bodyid[i]]]
        if not robot:  # a model that has nothing but its shapes for collisions
            shown += [i for i in range(model.ngeom) if i not in shown and model.geom_rgba[i, 3] > 0.0]
        found: dict[int, viser.FrameHandle] = {}
        for body in range(model.nbody):
            geoms = [i for i in shown if model.geom_bodyid[i] == body]
            planes = [i for i in geoms if model.geom_type[i] == mujoco.mjtGeom.mjGEOM_PLANE]
            for i in planes if self._floor else ():
                self._add_plane(model, i)
            geoms = [i for i in geoms if i not in planes]
            if not geoms:
                continue
            found[body] = self._scene.add_frame(f"{self._name}/body{body}", show_axes=False)
            for part, some in enumerate(group_geoms_by_visual_compat(model, geoms)):
                self._scene.add_mesh_trimesh(
                    f"{self._name}/body{body}/{part}",
                    merge_geoms(model, some),
                    cast_shadow=bool(body),
                    receive_shadow=not body,
                )
        return found

    def _add_plane(self, model: mujoco.MjModel, geom: int) -> None:
        size = 2.0 ** round(math.log2(2.0 * self.height))  # m: a cell is about as wide as the robot is high
        self._scene.add_grid(
            f"{self._name}/floor",
            infinite_grid=True,
            cell_size=0.5 * size,
            section_size=2.0 * size,
            cell_color=(216, 221, 228),
            section_color=(178, 187, 199),
            fade_distance=60.0 * self.height,
            plane_color=(246, 248, 250),
            plane_opacity=1.0,
            shadow_opacity=0.25,
            position=model.geom_pos[geom],
            wxyz=model.geom_quat[geom],
        )

    def remove(self) -> None:
        """Take it off the scene."""
        self._root.remove()

    def update(self, forces: bool, mass: bool, velocities: bool) -> None:
        """Draw the place as it is now; built anew after its simulation's model has become another."""
        if self._place.simulation.model is not self.model:
            self.remove()
            self._build()
        shadow = self._place.shadow
        for body, handle in self._bodies.items():
            handle.position, handle.wxyz = shadow.data.xpos[body], shadow.data.xquat[body]
        weight = max(shadow.mass * float(np.linalg.norm(self.model.opt.gravity)), 1e-6)
        places, pressed, _ = shadow.contacts() if forces else (np.zeros((0, 3)),) * 3
        felt = np.linalg.norm(pressed, axis=1) > _FELT * weight
        _draw(self._forces, shadow.place, places[felt], pressed[felt] * (_LONG * self.height / weight))
        self._mass.visible = self._below.visible = mass
        if mass:
            centre = shadow.centre_of_mass
            self._mass.position, self._below.position = centre, (centre[0], centre[1], self._ground(centre))
        self._draw_velocities(velocities and bool(shadow.velocity))
        self._draw_push(weight)
        if self._title is not None:
            self._title.position = shadow.place + self.top * _UP

    def _ground(self, place: NDArray[np.float64]) -> float:
        """The height of what lies below a place: that of the lowest contact, where the ground is not flat."""
        if self.model.nhfield == 0:
            return 0.0
        places, _, _ = self._place.shadow.contacts()
        return float(places[:, 2].min()) if len(places) else float(place[2] - self.height)

    def _draw_velocities(self, wanted: bool) -> None:
        """What is asked of the base, and how it moves, as arrows above it, in its heading."""
        place, samples = self._place, self._place.samples
        axes = ("lin_vel_x", "lin_vel_y")
        if not wanted or not samples or not any(axis in samples[-1].asked for axis in axes):
            self._asked.visible = self._moved.visible = False
            return
        last, angle = samples[-1], place.shadow.heading
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        long = _LONG * self.height / math.sqrt(9.81 * self.height) * 3.0
        start = place.shadow.place + self.top * _UP
        for handle, values, rise in ((self._asked, last.asked, 0.12), (self._moved, last.measured, 0.0)):
            along = turn @ [values.get(axis, 0.0) for axis in axes]
            arrow = np.array([along[0], along[1], 0.0]) * long
            far = float(np.linalg.norm(arrow)) > 0.05 * self.height
            from_ = (start + rise * self.height * _UP)[None]
            _draw(handle, place.shadow.place, from_ if far else np.zeros((0, 3)), arrow[None])

    def _draw_push(self, weight: float) -> None:
        pushed, shadow = self._place.push, self._place.shadow
        if pushed is None:
            self._push.visible = False
            return
        arrow = pushed[1] / weight * 9.81 * _LONG * self.height * 4.0 / math.sqrt(9.81 * self.height)
        _draw(self._push, shadow.place, (shadow.place - arrow)[None], arrow[None])


def _draw(
    handle: viser.ArrowsHandle,
    origin: NDArray[np.float64],
    places: NDArray[np.float64],
    arrows: NDArray[np.float64],
) -> None:
    """Arrows that start at places; none where there are none.

    The node moves with `origin`, the base: viser's client culls arrows by where they were when they were made, and
    may draw a node's new position a moment before its new arrows.
    """
    handle.visible = bool(len(places))
    if len(places):
        start = places - origin
        handle.position = origin
        handle.points = np.stack([start, start + arrows], axis=1).astype(np.float32)
