# PYTHON_ARGCOMPLETE_OK
"""``python -m hepae``."""

import sys

from hepae.cli import main

sys.exit(main())
