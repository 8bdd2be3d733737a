"""Write the curve that the dashboard opens with: `python -m docs.make_noise_curve`."""

from ui.explore import noise_curve
from wann_core.methods.registry import BASELINES
from wann_core.paths import DEFAULT_ROOTS


def main() -> None:
    """Compute it by the engine, and round it to what its chart can show."""
    table = noise_curve.compute(
        noise_curve.DEFAULT, DEFAULT_ROOTS, BASELINES, lambda done, total, text: None
    )
    table.round(6).to_csv(noise_curve.FILE, index=False)


if __name__ == "__main__":
    main()
