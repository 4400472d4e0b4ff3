"""Risk: a batch system or a closed terminal stops a command, and half a file or a wrong exit code stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import hepae_start
from hepae import cli
from hepae.cli import stopping
from hepae.root.file.atomic import atomic_output

HERE = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}

INTERRUPTED = "hepae: interrupted; nothing was written under the final name\n"

# what nohup or a shell starts in the background ignores signals, and so do its children
STOPPABLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""

WRITING = """
import sys, time
from pathlib import Path
from hepae import cli
from hepae.cli import inspection
from hepae.root.file.atomic import atomic_output

def inspect(options):
    with atomic_output(Path(sys.argv[1])) as temporary:
        temporary.write_bytes(b"half")
        print("writing", flush=True)
        time.sleep(600)

inspection.inspect = inspect
sys.exit(cli.main(["inspect", "a.root"]))
"""


def started(code: str, *words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STOPPABLE + code, *map(str, words)]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_stopped_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    process = started(WRITING, tmp_path / "out.root")
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(number)
    process.send_signal(number) if number != signal.SIGINT else None
    _, error = process.communicate(timeout=300)
    assert (process.returncode, error) == (128 + number, INTERRUPTED)
    assert not list(tmp_path.iterdir())


def test_a_signal_that_is_ignored_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """``nohup hepae …``."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping.stoppable():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


POOL = """
import sys, time
from argparse import Namespace
from pathlib import Path
from hepae import cli
from hepae.cli import compressing, inspection
from hepae.root.file.atomic import atomic_output

def write(path):
    with atomic_output(Path(path)) as temporary:
        temporary.write_bytes(b"half")
        print("writing", flush=True)
        time.sleep(600)

def inspect(options):
    with compressing._processes(2) as pool:
        list(pool.map(write, sys.argv[1:]))

if __name__ == "__main__":
    inspection.inspect = inspect
    sys.exit(cli.main(["inspect", "a.root"]))
"""


def test_processes_of_a_pool_stop_with_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(POOL)
    (tmp_path / "out").mkdir()
    command = [sys.executable, str(script), str(tmp_path / "out" / "a"), str(tmp_path / "out" / "b")]
    process = subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["writing\n"] * 2
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=300)  # the ten minutes of their sleep are not waited for
    assert (process.returncode, error) == (128 + signal.SIGTERM, INTERRUPTED)
    assert not list((tmp_path / "out").iterdir())


def test_a_reader_that_goes_away_is_no_violation(sample_root: Path) -> None:
    """``hepae inspect … | head -0``: neither words nor 1, which says that a bound was broken."""
    for more in ([], ["--json"]):
        command = [sys.executable, "-m", "hepae", "inspect", str(sample_root), *more]
        process = subprocess.Popen(
            command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=300) == 128 + signal.SIGPIPE
        assert error == ""


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (ZeroDivisionError("division by zero"), "got ZeroDivisionError: division by zero; please report it"),
        (MemoryError(), "not enough memory"),
        (OSError(5, "Input/output error", "b.root"), "Input/output error [b.root]"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_goes_wrong_is_one_line(
    problem: Exception,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    from hepae.cli import inspection

    def broken(_: object) -> int:
        with atomic_output(tmp_path / "a"):
            raise problem

    monkeypatch.setattr(inspection, "inspect", broken)
    assert cli.main(["inspect", "a.root"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


IMPORTING = """
import os, signal, sys
from importlib.abc import MetaPathFinder
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupted(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "awkward":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupted())
import hepae_start
sys.exit(hepae_start.main())
"""


def test_an_interruption_while_packages_are_imported_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, "inspect", "a.root"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_the_command_that_is_installed_is_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hepae", "inspect", "nowhere.root"])
    before = signal.getsignal(signal.SIGINT)
    assert hepae_start.main() == 2
    assert "no such file" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before
