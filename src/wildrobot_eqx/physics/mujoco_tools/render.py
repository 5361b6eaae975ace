"""Pictures of a robot, drawn off screen."""

import contextlib
import os
import sys
from typing import Any

import mujoco
import numpy as np
from jaxtyping import Float, UInt8

from ...errors import WildRobotError
from ...robots import Model

_AWAY = 2.4  # extents, of a camera that stands still: in a picture of 4 to 3 it sees 1.3 to either side
_MARK = 0.025  # extents, radius of a mark
_RED = (0.9, 0.15, 0.1, 0.8)
_OFF = ("disable", "disabled", "off", "false", "0")


class NoRenderer(WildRobotError):  # noqa: N818 - it names a fact that callers go on from
    """This machine, or this environment, cannot draw."""

    def __init__(self, why: str, hint: str = ""):
        super().__init__(
            f"Nothing can be drawn here: {why}",
            where=f"OpenGL, MUJOCO_GL={os.environ.get('MUJOCO_GL', '')!r}",
            hint=hint or "install EGL (Debian and Ubuntu: apt install libegl1 libgl1) and set MUJOCO_GL=egl",
        )


def _context(width: int, height: int) -> Any:
    """An OpenGL context: as MUJOCO_GL says, else EGL where there is no display.

    MuJoCo makes its own choice once, when it is first imported; this one is made when it is needed.
    """
    platform = os.environ.get("MUJOCO_GL", "").lower().strip()
    screen = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if not platform and not screen:
        os.environ["MUJOCO_GL"] = platform = "egl"
    if platform in _OFF:
        raise NoRenderer("rendering is switched off.")
    if platform == "egl":
        from mujoco.egl import GLContext
    elif platform == "osmesa":
        from mujoco.osmesa import GLContext
    elif platform in ("", "glfw", "glx", "wgl", "cgl", "enable", "enabled", "on", "true", "1"):
        from mujoco import GLContext
    else:
        raise NoRenderer(f"there is no renderer {platform!r}.")
    return GLContext(width, height)


class Renderer(contextlib.AbstractContextManager["Renderer"]):
    """Draws a model in given poses. Use it in a `with` block, in one thread.

    Args:
        model: the model to draw.
        width, height: of the pictures, in pixels.
        follow: whether the camera goes with the root body; else it stands where it sees the whole model.

    Raises:
        NoRenderer: no OpenGL context can be had.
    """

    def __init__(self, model: Model, width: int = 640, height: int = 480, follow: bool = True):
        def size(mj: mujoco.MjModel) -> None:
            mj.vis.global_.offwidth, mj.vis.global_.offheight = width, height
            mj.vis.quality.offsamples = min(mj.vis.quality.offsamples, 2)

        self._mj, self._follow = model.edit(size).mj, follow
        self._data = mujoco.MjData(self._mj)
        self._gl: Any = None
        self._context: Any = None
        try:
            self._gl = _context(width, height)
            self._gl.make_current()
            self._context = mujoco.MjrContext(self._mj, mujoco.mjtFontScale.mjFONTSCALE_100)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        except NoRenderer:
            raise
        except Exception as error:  # each platform library fails in its own way
            self.close()
            raise NoRenderer(" ".join(str(error).split())[:200] or type(error).__name__) from error
        self._scene = mujoco.MjvScene(self._mj, maxgeom=2000)
        # In software these two take most of the time.
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._option = mujoco.MjvOption()
        self._option.sitegroup[:] = 0
        self._rect = mujoco.MjrRect(0, 0, width, height)

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the context, drawing state first: freed later, it would delete what another context holds."""
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._context = None
        if self._gl is not None:
            self._gl.free()
            self._gl = None

    def camera(self, name: str) -> mujoco.MjvCamera:
        """The model's camera of that name; or one from the front right that follows the root body.

        Where it does not follow, it looks at the model's centre, from where its <visual> says.
        """
        camera = mujoco.MjvCamera()
        found = mujoco.mj_name2id(self._mj, mujoco.mjtObj.mjOBJ_CAMERA, name)
        if found >= 0:
            camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, found
            return camera
        if not self._follow:
            camera.type = mujoco.mjtCamera.mjCAMERA_FREE
            camera.lookat[:], camera.distance = self._mj.stat.center, _AWAY * self._mj.stat.extent
            camera.azimuth, camera.elevation = self._mj.vis.global_.azimuth, self._mj.vis.global_.elevation
            return camera
        camera.type, camera.trackbodyid = mujoco.mjtCamera.mjCAMERA_TRACKING, int(self._mj.jnt_bodyid[0])
        camera.distance, camera.elevation = 2.0 * self._mj.stat.extent, -10.0
        camera.azimuth = 90.0 if name == "side" else 130.0
        return camera

    def draw(
        self,
        qpos: Float[np.ndarray, " nq"],
        camera: str = "track",
        marks: Float[np.ndarray, "marks 3"] | None = None,
    ) -> UInt8[np.ndarray, "height width 3"]:
        """The robot in the pose `qpos`, seen by the camera `camera`; `marks` are places (m) that get a ball each.

        A mark whose z is NaN is a place of any height, and gets a vertical line about the height of its middle.

        Returns:
            The picture, top row first.
        """
        self._data.qpos[:] = qpos
        mujoco.mj_forward(self._mj, self._data)
        mujoco.mjv_updateScene(
            self._mj,
            self._data,
            self._option,
            mujoco.MjvPerturb(),
            self.camera(camera),
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        for place in () if marks is None else marks:
            self._mark(place)
        mujoco.mjr_render(self._rect, self._scene, self._context)
        picture = np.empty((self._rect.height, self._rect.width, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, self._rect, self._context)
        return picture[::-1]

    def _mark(self, place: Float[np.ndarray, " 3"]) -> None:
        """A ball at a place, m, or a vertical line where it has no z."""
        if self._scene.ngeom >= self._scene.maxgeom:
            return
        radius, extent = _MARK * self._mj.stat.extent, self._mj.stat.extent
        shape, size = mujoco.mjtGeom.mjGEOM_SPHERE, np.full(3, radius)
        if np.isnan(place[2]):
            shape = mujoco.mjtGeom.mjGEOM_CYLINDER
            size = np.array([0.3 * radius, 0.25 * extent, 0.0])  # radius, half the length
            place = np.array([*place[:2], self._mj.stat.center[2]])
        geom, turn = self._scene.geoms[self._scene.ngeom], np.eye(3).ravel()
        mujoco.mjv_initGeom(geom, shape, size, place, turn, np.array(_RED, np.float32))
        self._scene.ngeom += 1
