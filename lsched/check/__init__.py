"""Does a scheduler keep to what it may see and say? The suite behind ``lsched check``."""

from lsched.check.report import Finding, Report, Status
from lsched.check.suite import check_scheduler

__all__ = ["Finding", "Report", "Status", "check_scheduler"]
