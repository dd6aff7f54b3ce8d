"""Where the program starts, also by `python -m kubectl_dnsdebug`: early enough for any Ctrl-C."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Load the program and run it."""
    try:
        from kubectl_dnsdebug import cli
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
