"""Single bodies above a floor."""

from tree_models import compile_text

from wildrobot_eqx.robots import Model

SCENE = """
<mujoco>
  <option timestep="0.002" cone="{cone}" integrator="Euler"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 1" {contact}/>
    <body pos="0 0 {height}"><freejoint/><geom name="body" type="{shape}" size="{size}" {turn} {contact}/></body>
  </worldbody>
  <sensor><contact geom1="floor" geom2="body" data="force" reduce="netforce"/></sensor>
</mujoco>
"""
SHAPES = {
    "box": {"shape": "box", "size": "0.08 0.06 0.02", "height": 0.02, "turn": ""},
    "ball": {"shape": "sphere", "size": "0.05", "height": 0.05, "turn": ""},
    "log": {"shape": "capsule", "size": "0.04 0.1", "height": 0.04, "turn": 'euler="90 0 0"'},
    "puck": {"shape": "cylinder", "size": "0.08 0.02", "height": 0.02, "turn": ""},
    "egg": {"shape": "ellipsoid", "size": "0.08 0.07 0.04", "height": 0.04, "turn": ""},
}
SOFT, BOUNCY = "", 'solref="-5000 -10"'


def scene(shape: str, cone: str, contact: str = SOFT) -> Model:
    """One body of this shape, resting on a floor or bouncing off it."""
    return compile_text(SCENE.format(cone=cone, contact=contact, **SHAPES[shape]))
