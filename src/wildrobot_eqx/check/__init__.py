"""The contract of an env, proved by abstract evaluation: no compile, no simulation; and what stages prove beyond it."""

from .rules.mirrored import mirror_stage as mirror_stage
from .static import Stage as Stage
from .static import check_env as check_env
from .trace.findings import Finding as Finding
from .trace.findings import Report as Report
