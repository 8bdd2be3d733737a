"""The version of the package, and those of the libraries that decide its numbers."""

__version__ = "0.1.0"
LIBRARIES = ("numpy", "scipy", "scikit-learn", "faiss-cpu", "numba")


def library_versions() -> dict[str, str]:
    """Installed version of each of `LIBRARIES`."""
    from importlib.metadata import PackageNotFoundError, version  # 20 ms that few need

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # installed under another name, as conda does
            found[name] = "of unknown version"
    return found
