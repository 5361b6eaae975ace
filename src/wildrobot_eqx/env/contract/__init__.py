"""The contract of an env, proved by abstract evaluation: no compile, no simulation."""

from .findings import Finding as Finding
from .findings import Report as Report
from .proof import Stage as Stage
from .proof import check as check
