"""The contract of an env, proved by abstract evaluation: no compile, no simulation."""

from . import source as source
from . import telling as telling
from . import trees as trees
from .findings import Finding as Finding
from .findings import Report as Report
from .proof import Stage as Stage
from .proof import check as check
