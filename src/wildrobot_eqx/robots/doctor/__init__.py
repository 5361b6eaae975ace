"""The doctor: finds in a robot what MuJoCo accepts in silence."""

from .examine import CHECKS as CHECKS
from .examine import examine as examine
from .finding import Finding as Finding
from .subject import Subject as Subject
