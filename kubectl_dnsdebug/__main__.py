"""`python -m kubectl_dnsdebug`."""

from __future__ import annotations

from kubectl_dnsdebug.cli import main

if __name__ == "__main__":
    main()
