"""Which folders become which packages; all else is in pyproject.toml.

The dashboard is installed as `wann_explorer`, with `ui` and `pages` below it: Streamlit puts the
folder of the script on the path, so that the same imports hold as in a checkout.
"""

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py


class BuildWithoutThisFile(build_py):
    """Installs no setup.py, although it lies in the folder of the dashboard."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Find the modules of a package as (package, module, file)."""
        found = super().find_package_modules(package, package_dir)
        return [one for one in found if one[1] != "setup"]


setup(
    cmdclass={"build_py": BuildWithoutThisFile},
    packages=[
        *find_packages(include=["wann_core", "wann_core.*"]),
        "wann_explorer",
        "wann_explorer.pages",
        *(f"wann_explorer.{name}" for name in find_packages(include=["ui", "ui.*"])),
    ],
    package_dir={
        "wann_explorer": ".",
        "wann_explorer.pages": "pages",
        "wann_explorer.ui": "ui",
    },
)
