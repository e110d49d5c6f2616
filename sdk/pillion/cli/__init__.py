"""The command line: `pillion` and `python -m pillion`."""
