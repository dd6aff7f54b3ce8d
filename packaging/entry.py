"""Where the frozen program starts."""

from __future__ import annotations

from kubectl_dnsdebug.__main__ import main

main()
