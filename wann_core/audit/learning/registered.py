"""Methods of the package's own that learn from the audit, registered as plug-ins are.

Loaded by `wann_core.plugins`. What a method needs is imported when it is fitted.
"""

from typing import Any

from wann_core.methods.registry import register_method


def _logreg_posterior(seed: int) -> Any:
    from wann_core.audit.learning.posterior_logistic import PosteriorLogisticRegression

    return PosteriorLogisticRegression()


def _co_teaching(seed: int) -> Any:
    from wann_core.audit.learning.co_teaching import CoTeachingClassifier

    return CoTeachingClassifier(random_state=seed)


register_method(
    "logreg_posterior",
    _logreg_posterior,
    title="logistic regression on the audit's posterior",
)
register_method(
    "co_teaching",
    _co_teaching,
    title="co-teaching of two linear probes",
    reference="Han et al., NeurIPS 2018",
)
