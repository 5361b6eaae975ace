"""The page: what stands in its panels, and how it follows the session. viser serves it."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import viser
from numpy.typing import NDArray

from . import strips
from .figure import Figure
from .session import SPEEDS, Place, Session
from .simulation import TERRAINS, World

_BLUE, _ORANGE = "#2e74e6", "#f0961e"
_COLOURS = ("#2e74e6", "#f0961e", "#2a9d63", "#a03cc8", "#d64541", "#17a2b8", "#7a5c3e", "#666c77")
_CHARTS = 3  # channels whose speeds are drawn
_WIDE = 330  # pixels of a panel
KEYS: tuple[tuple[Any, str, Callable[[Session], Any]], ...] = (
    ("I", "Faster ahead", lambda s: s.nudge(s.axis("lin_vel_x", 0), 1.0)),
    ("K", "Slower, back", lambda s: s.nudge(s.axis("lin_vel_x", 0), -1.0)),
    ("J", "Turn left", lambda s: s.nudge(s.axis("ang_vel_z", 1), 1.0)),
    ("L", "Turn right", lambda s: s.nudge(s.axis("ang_vel_z", 1), -1.0)),
    ("U", "Step left", lambda s: s.nudge(s.axis("lin_vel_y", 2), 1.0)),
    ("O", "Step right", lambda s: s.nudge(s.axis("lin_vel_y", 2), -1.0)),
    ("X", "Ask for nothing", lambda s: s.rest()),
    ("P", "Push", lambda s: s.push()),
    ("space", "Pause or go on", lambda s: s.toggle()),
    ("N", "One step", lambda s: s.step_once()),
    ("R", "Reset", lambda s: s.reset()),
)
"""Keys of the page, viser's names: what each does to a session. viser's camera has W, A, S, D, Q, E and the arrows."""


class Page:
    """The panels and the scene of a session, for every browser that looks.

    Args:
        server: viser's server.
        session: what is shown; the page only posts to it.
        title: of the page.
    """

    def __init__(self, server: viser.ViserServer, session: Session, title: str):
        self._server, self._session = server, session
        self._show = {"forces": True, "mass": False, "velocities": True}
        self._follow = True
        self._written = dict(session.asked)  # what the sliders show
        gui = server.gui
        gui.configure_theme(dark_mode=False, show_logo=False, show_share_button=False, brand_color=(46, 116, 230))
        gui.set_panel_label(title)
        server.scene.set_up_direction("+z")
        self._stage = server.scene.add_frame("/stage", show_axes=False)
        several = len(session.places) > 1
        self._figures = [
            Figure(server, place, f"/stage/{i}", strips.plain(place.simulation.title) if several else "", i == 0)
            for i, place in enumerate(session.places)
        ]
        self._camera()
        gui.main_panel.dock_right()
        gui.main_panel.set_width(_WIDE)
        self._controls(gui)
        self._signals(gui)
        for key, label, action in KEYS:
            handle = gui.add_command(label, hotkey=key)
            handle.on_trigger(_posted(session, action))

    def _camera(self) -> None:
        camera, height = self._server.initial_camera, self._figures[0].height
        wide = max((abs(place.offset[1]) for place in self._session.places), default=0.0)
        camera.fov = 0.7
        camera.look_at = np.array([0.0, 0.0, 0.7 * height])
        camera.position = np.array([2.6, -2.6, 1.9]) * height + np.array([1.5, -1.0, 1.0]) * wide
        camera.near = 0.02 * height

    def _controls(self, gui: viser.GuiApi) -> None:
        session = self._session
        self._status = gui.add_html("")
        run = gui.add_button_group("Run", ["Pause", "Step", "Reset"])
        run.on_click(
            lambda _: self._post({"Pause": session.toggle, "Step": session.step_once}.get(run.value, session.reset))
        )
        self._speed = gui.add_dropdown("Speed", [f"{speed:g}x" for speed in SPEEDS], initial_value="1x")
        self._speed.on_update(lambda _: self._set("speed", float(self._speed.value[:-1])))
        self._policy_and_focus(gui)
        with gui.add_folder("Ask for" if session.channels else "Asks for nothing"):
            self._sliders = {channel.name: self._slider(gui, channel) for channel in session.channels}
            if self._sliders:
                gui.add_button("Nothing (X)").on_click(lambda _: self._post(session.rest))
        self._push(gui)
        self._world(gui)
        with gui.add_folder("Draw", expand_by_default=False):
            for name, label in (("forces", "Contact forces"), ("mass", "Centre of mass"), ("velocities", "Velocities")):
                self._checkbox(gui, name, label)
            follow = gui.add_checkbox("Follow", self._follow)
            follow.on_update(lambda _: setattr(self, "_follow", follow.value))
            up = gui.add_checkbox("Stand up after a fall", session.stands_up)
            up.on_update(lambda _: self._set("stands_up", up.value))
        with gui.add_folder("Keys", expand_by_default=False):
            gui.add_html(strips.keys([(key, label) for key, label, _ in KEYS]))

    def _policy_and_focus(self, gui: viser.GuiApi) -> None:
        session = self._session
        longest = max(session.places, key=lambda place: len(place.choices))
        if len(longest.choices) > 1:
            titles = _distinct([choice.title for choice in longest.choices])
            policy = gui.add_dropdown("Policy", titles, initial_value=titles[0])
            policy.on_update(lambda _: self._post(lambda: session.choose(titles.index(policy.value))))
        if len(session.places) > 1:
            names = _distinct([place.simulation.title for place in session.places])
            focus = gui.add_dropdown("Look at", names, initial_value=names[0])
            focus.on_update(lambda _: self._post(lambda: setattr(session, "focus", names.index(focus.value))))

    def _slider(self, gui: viser.GuiApi, channel: Any) -> Any:
        step = _step(channel.high - channel.low)
        slider = gui.add_slider(
            f"{channel.name}",
            min=channel.low,
            max=max(channel.high, channel.low + step),
            step=step,
            initial_value=channel.rest,
            hint=f"{channel.name}, {channel.unit}",
        )

        def moved(_: object) -> None:
            value = slider.value
            self._post(lambda: self._ask(channel.name, value))

        slider.on_update(moved)
        return slider

    def _ask(self, name: str, value: float) -> None:
        """What a slider says: it need not be told, and may have moved on since."""
        self._session.ask(name, value)
        self._written[name] = self._session.asked[name]

    def _push(self, gui: viser.GuiApi) -> None:
        session = self._session
        with gui.add_folder("Push", expand_by_default=False):
            most = float(f"{2.0 * session.focused.shadow.mass:.2g}")  # N s: 2 m/s
            impulse = gui.add_slider("Impulse, N s", 0.0, most, _step(most), min(session.impulse, most))
            impulse.on_update(lambda _: self._set("impulse", impulse.value))
            direction = gui.add_slider(
                "Towards, deg", -180.0, 180.0, 5.0, session.direction, hint="0 is ahead, 90 to the robot's left"
            )
            direction.on_update(lambda _: self._set("direction", direction.value))
            gui.add_button("Push (P)", color="violet").on_click(lambda _: self._post(session.push))

    def _world(self, gui: viser.GuiApi) -> None:
        session, world = self._session, self._session.world
        most = float(f"{0.5 * session.focused.shadow.mass:.2g}")
        with gui.add_folder("World", expand_by_default=False):
            friction = gui.add_slider("Friction, x", 0.05, 2.0, 0.05, world.friction)
            payload = gui.add_slider("Payload, kg", 0.0, most, _step(most), world.payload)
            terrain = gui.add_dropdown(
                "Ground", TERRAINS, initial_value=world.terrain, disabled=len(session.places) > 1
            )
            engine = gui.add_dropdown("Engine", session.engines, initial_value=world.engine)
            engine.disabled = len(session.engines) < 2

        def enter(_: object) -> None:
            new = World(friction.value, payload.value, terrain.value, engine.value)
            self._post(lambda: session.enter(new))

        for handle in (friction, payload, terrain, engine):
            handle.on_update(enter)

    def _checkbox(self, gui: viser.GuiApi, name: str, label: str) -> None:
        box = gui.add_checkbox(label, self._show[name])
        box.on_update(lambda _: self._show.__setitem__(name, box.value))

    def _signals(self, gui: viser.GuiApi) -> None:
        """The panel on the left: strips of the robot that is looked at."""
        session = self._session
        panel = gui.add_panel()
        inside, place = session.focused.inside, session.focused
        with panel.add_tab("Motion", viser.Icon.CHART_LINE):
            channels = [c for c in session.channels if c.command != "target"][:_CHARTS]
            self._speeds = {c.name: self._chart(gui, strips.plain(f"{c.name}, {c.unit}")) for c in channels}
            self._feet = self._foot_chart(gui, place)
        with panel.add_tab("Joints", viser.Icon.ENGINE):
            gui.add_html(strips.line("Torque of each joint against its limit, N m"))
            self._torques = gui.add_html("")
        with panel.add_tab("Policy", viser.Icon.EYE):
            self._observation = gui.add_html("")
        self._rewards = None
        if inside.rewards:
            with panel.add_tab("Rewards", viser.Icon.STAR):
                gui.add_html(strips.line("Reward terms now, weighted, per second"))
                self._rewards = gui.add_html("")
        self._training: dict[str, viser.GuiUplotHandle] = {}
        curves = place.simulation.curves
        if curves is not None:
            with panel.add_tab("Training", viser.Icon.SCHOOL):
                gui.add_html(strips.line("By millions of control steps"))
                for i, name in enumerate(curves.names):
                    lines = ({"label": "M steps"}, {"label": name, "stroke": _COLOURS[i], "width": 1.5})
                    self._training[name] = _plot(gui, (np.zeros(1), np.zeros(1)), lines, name)
        panel.dock_left()
        panel.set_width(_WIDE)

    def _chart(self, gui: viser.GuiApi, title: str) -> viser.GuiUplotHandle:
        lines = (
            {"label": "s"},
            {"label": "asked", "stroke": _BLUE, "width": 2},
            {"label": "measured", "stroke": _ORANGE, "width": 1.5},
        )
        return _plot(gui, strips.series([], ""), lines, title)

    def _foot_chart(self, gui: viser.GuiApi, place: Place) -> viser.GuiUplotHandle | None:
        self._foot_names = tuple(place.simulation.feet)
        if not self._foot_names:
            return None
        lines: list[Any] = [
            {"label": strips.plain(name), "stroke": _COLOURS[i % len(_COLOURS)], "width": 1.5}
            for i, name in enumerate(self._foot_names)
        ]
        return gui.add_uplot(
            strips.foot_series([], self._foot_names),
            ({"label": "s"}, *lines),
            title="foot forces, N",
            height=170,
            scales={"x": {"time": False}},
            legend={"show": True, "live": False},
        )

    def draw(self) -> None:
        """One frame of the scene."""
        place = self._session.focused
        with self._server.atomic():
            if self._follow:
                at = place.shadow.place
                self._stage.position = (-at[0] - place.offset[0], -at[1] - place.offset[1], 0.0)
            for figure in self._figures:
                figure.update(**self._show)

    def write(self, real_time: float) -> None:
        """The panels anew; `real_time` is how fast the robots' time passes by the clock on the wall."""
        session, place = self._session, self._session.focused
        inside, simulation = place.inside, place.simulation
        with self._server.atomic():
            self._write_status(place, real_time)
            for name, slider in self._sliders.items():
                if self._written[name] != session.asked[name]:
                    self._written[name] = slider.value = session.asked[name]
            for name, chart in self._speeds.items():
                chart.data = strips.series(place.samples, name)
            if self._feet is not None:
                self._feet.visible = tuple(simulation.feet) == self._foot_names
                self._feet.data = strips.foot_series(place.samples, self._foot_names)
            self._torques.content = strips.torques(simulation.joints, place.shadow.torque, simulation.torque_limit)
            self._observation.content = (
                strips.observation(inside.observation) if inside.observation else strips.line("No policy acts.")
            )
            if self._training and simulation.curves is not None and simulation.curves.poll():
                steps, *figures = simulation.curves.series()
                for chart, figure in zip(self._training.values(), figures):
                    chart.data = (steps, figure)
            if self._rewards is not None:
                self._rewards.content = strips.rewards(inside.rewards)

    def _write_status(self, place: Place, real_time: float) -> None:
        session, inside = self._session, place.inside
        mode = "paused" if session.paused else place.simulation.ended or inside.mode
        words = f"{place.simulation.robot}: {mode}, {place.time:.1f} s, {real_time:.2f}x real time"
        notes = [text for text in (inside.note, place.note, session.note) if text]
        title = strips.line(place.simulation.title)
        self._status.content = (
            title + strips.line(words, bool(place.simulation.ended)) + "".join(map(strips.line, notes))
        )

    def _post(self, action: Callable[[], None]) -> None:
        self._session.post(action)

    def _set(self, name: str, value: Any) -> None:
        """Set a dial of the session, which is nothing but a number or a flag."""
        self._session.post(lambda: setattr(self._session, name, value))


def _plot(
    gui: viser.GuiApi, data: tuple[NDArray[np.float64], ...], lines: tuple[Any, ...], title: str
) -> viser.GuiUplotHandle:
    """A chart over something that is no time of the day."""
    no_legend: Any = {"show": False}
    return gui.add_uplot(data, lines, title=title, height=150, scales={"x": {"time": False}}, legend=no_legend)


def _step(span: float) -> float:
    """A slider's step, a power of ten: 50 to 500 of them make its span."""
    return float(10.0 ** math.floor(math.log10(max(span, 1e-3) / 50.0)))


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of which no two are equal."""
    return [name if names.count(name) == 1 else f"{name} [{i + 1}]" for i, name in enumerate(names)]


def _posted(session: Session, action: Callable[[Session], Any]) -> Callable[[Any], None]:
    return lambda _: session.post(lambda: action(session))  # done by the session's own thread
