"""Which folders become which packages; all else is in pyproject.toml.

The dashboard is installed as `wann_explorer`, with `ui` and `pages` below it: Streamlit puts the
folder of the script on the path, so that the same imports hold as in a checkout.
"""

from setuptools import find_packages, setup

setup(
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
