"""The commands of `python -m wann_core`, one file each."""
