"""Find wrong labels: scores, reasons, how far to trust them, and how many there are."""

from wann_core.audit.arrays import audit_labels, find_outliers
from wann_core.audit.estimator import LabelAuditor
from wann_core.audit.label_audit import audit
from wann_core.audit.result import Audit

__all__ = ["Audit", "LabelAuditor", "audit", "audit_labels", "find_outliers"]
