"""Ground that is not flat: one large field of heights, on which every episode takes its own place."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import WildRobotError

_MARGIN = 6.0  # m, of a stepped field at either end of y, so that nobody who begins inside walks off


class Ground(eqx.Module):
    """Heights on a square grid about the world's origin, x along the columns and y along the rows.

    Between grid points the ground is MuJoCo's: each cell is two triangles, which share the
    edge from its corner at low x, low y to the one at high x, high y.
    """

    heights: Float[Array, "n n"]  # m
    half: float = eqx.field(static=True)  # m, half of the side
    highest_step: float = eqx.field(static=True, default=0.0)  # m, of a field of `steps`
    tread: float = eqx.field(static=True, default=0.0)  # m, side of its plates

    @staticmethod
    def make(
        slope: float = 0.0,
        bumps: float = 0.0,
        length: float = 0.4,
        half: float = 8.0,
        spacing: float = 0.1,
        seed: int = 0,
    ) -> "Ground":
        """A slope with bumps on it.

        Args:
            slope: rise along x, rad.
            bumps: greatest height of a bump above the slope, m; lowest is 0.
            length: distance over which bumps change, m; at least the spacing.
            half: half of the field's side, m.
            spacing: of the grid, m. MJX looks at every cell that a foot may touch: finer costs.
            seed: of the bumps.

        Raises:
            WildRobotError: a figure that makes no ground.
        """
        if not (abs(slope) < math.radians(60.0) and bumps >= 0.0 and 0.0 < spacing <= length and half >= 4.0 * spacing):
            raise WildRobotError(
                f"No ground has a slope of {slope:g} rad, bumps of {bumps:g} m over {length:g} m on a grid of "
                f"{spacing:g} m, {2.0 * half:g} m wide.",
                where="Ground.make",
                hint="slopes below 60 degrees, bumps of 0 or more, a length of at least the grid's spacing",
            )
        n = round(2.0 * half / spacing) + 1
        at = np.linspace(-half, half, n)
        rough = np.zeros((n, n))
        if bumps:
            coarse = max(2, round(2.0 * half / length) + 1)
            knots, places = np.linspace(-half, half, coarse), np.random.default_rng(seed).random((coarse, coarse))
            along = np.stack([np.interp(at, knots, row) for row in places])
            rough = np.stack([np.interp(at, knots, column) for column in along.T], axis=1)
            rough = bumps * (rough - rough.min()) / np.ptp(rough)
        return Ground(jnp.asarray(np.tan(slope) * at[None, :] + rough, jnp.float32), half)

    @staticmethod
    def steps(highest: float = 0.03, tread: float = 0.6, half: float = 20.0, spacing: float = 0.1) -> "Ground":
        """A chequerboard of level plates, every other one raised: from any plate, any way, the floor steps up or down.

        How high the steps are grows along y, from nothing to `highest`; engines share one field
        among all envs, so a place on it is what can differ. `where` tells the place of a
        height, and `HomeReset(ground=..., steps=...)` draws one per episode. Of two neighbouring
        plates the ground rises within one spacing of the grid.

        Args:
            highest: the highest step, m.
            tread: side of a plate, m; a multiple of the spacing.
            half: half of the field's side, m; the heights change within all but the last 6 m at either end.
            spacing: of the grid, m. MJX looks at every cell that a foot may touch: finer costs.

        Raises:
            WildRobotError: a figure that makes no steps.
        """
        if not (highest > 0.0 and spacing > 0.0 and tread >= 2.0 * spacing and half >= _MARGIN + tread):
            raise WildRobotError(
                f"No ground has steps of up to {highest:g} m every {tread:g} m on a grid of {spacing:g} m, "
                f"{2.0 * half:g} m wide.",
                where="Ground.steps",
                hint=f"plates of at least two spacings, and a half of more than {_MARGIN:g} m",
            )
        plate = np.arange(round(2.0 * half / spacing) + 1) // round(tread / spacing)
        middle = plate * tread + 0.5 * (tread - spacing) - half
        share = np.clip(0.5 * (1.0 + middle / (half - _MARGIN)), 0.0, 1.0)
        raised = (plate[None, :] + plate[:, None]) % 2
        return Ground(jnp.asarray(highest * share[:, None] * raised, jnp.float32), half, highest, tread)

    def where(self, step: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """The y (m) of the middle of the plates that, on a field of `steps`, come nearest to such a height (m)."""
        share = jnp.clip(step / self.highest_step, 0.0, 1.0)
        edge = 0.5 * (self.tread - 2.0 * self.half / (self.heights.shape[0] - 1))
        plate = jnp.round(((2.0 * share - 1.0) * (self.half - _MARGIN) + self.half - edge) / self.tread)
        return plate * self.tread + edge - self.half

    def height(self, place: Float[Array, "*batch 2"]) -> Float[Array, "*batch"]:
        """The ground's height (m) at x and y (m); beyond the edge, that of the edge."""
        n = self.heights.shape[0]
        cell = jnp.clip((place + self.half) * ((n - 1) / (2.0 * self.half)), 0.0, n - 1.001)
        low = jnp.floor(cell).astype(jnp.int32)
        x, y = jnp.moveaxis(cell - low, -1, 0)
        column, row = jnp.moveaxis(low, -1, 0)
        a, b = self.heights[row, column], self.heights[row, column + 1]
        c, d = self.heights[row + 1, column], self.heights[row + 1, column + 1]
        right = a + x * (b - a) + y * (d - b)
        left = a + x * (d - c) + y * (c - a)
        return jnp.where(x >= y, right, left)


def above(ground: Ground | None, point: Float[Array, "*batch 3"]) -> Float[Array, "*batch"]:
    """The height (m) of a point of the world above the ground under it, or above z = 0 where there is none."""
    return point[..., 2] if ground is None else point[..., 2] - ground.height(point[..., :2])
