"""``python -m pillion``."""

from __future__ import annotations

from pillion.cli.main import main

main(prog_name="pillion")
