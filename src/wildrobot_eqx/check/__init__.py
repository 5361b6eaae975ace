"""The contract of an env, proved by abstract evaluation: no compile, no simulation."""

from .static import Stage as Stage
from .static import check_env as check_env
from .trace.findings import Finding as Finding
from .trace.findings import Report as Report
