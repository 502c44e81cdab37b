"""The commands of `python -m digits`, one file each."""
