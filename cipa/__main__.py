"""python -m cipa."""

from __future__ import annotations

import sys

from cipa.cli import main

sys.exit(main())
