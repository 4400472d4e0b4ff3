"""Run Python with ROOT in a process of its own: a malformed file makes ROOT end with a segmentation fault."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

needs_root = pytest.mark.skipif(importlib.util.find_spec("ROOT") is None, reason="ROOT is not installed")

START = """
import json, sys, warnings
warnings.simplefilter("ignore")
import ROOT
ROOT.gErrorIgnoreLevel = ROOT.kError
paths = json.loads(sys.argv[1])
"""
HERE = Path(__file__).parent.parent


def in_root(code: str, *paths: Path) -> Any:
    """Run code that has ``ROOT`` and ``paths``, and return what it sets ``result`` to."""
    end = '\nprint("\\nresult " + json.dumps(result))'
    command = [sys.executable, "-c", START + code + end, json.dumps([str(path) for path in paths])]
    kept = str(HERE / "build" / "cache")  # the library of the data source is compiled once, not for each test
    environment = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": kept}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout[-2000:], done.stderr[-4000:])
    return json.loads(done.stdout.rpartition("result ")[2])
