"""``python -m tests.chaos.app MODULE:ATTR``: ``pillion run``, with the strikes that the environment asks for."""

from __future__ import annotations

import sys

from pillion.cli.main import main
from tests.chaos.strikes import install

if __name__ == "__main__":
    install()
    main(["run", "--log-format", "json", *sys.argv[1:]])
