"""Makes scikit-learn 1.5 look like the later ones in what is used here."""

from typing import Any

try:
    from sklearn.utils.validation import validate_data
except ImportError:  # before scikit-learn 1.6

    def validate_data(estimator: Any, /, X: Any, y: Any = "no_validation", **options: Any) -> Any:
        """Check X, or X and y, as scikit-learn's function of this name does."""
        return estimator._validate_data(X, y, **options)


__all__ = ["validate_data"]
