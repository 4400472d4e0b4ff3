"""What reading over a network asks for: a server on this machine that waits before it answers each request.

    python -m scripts.remote_reading nano_like.root small.root --evidence docs/evidence/remote.md

Each row reads some columns of one file, opened anew, from a server on the loopback that adds 50 ms to every request, as
a site some thousand kilometres away does. ``small.root`` is what `hepae compress` made of the original. Counted are the
requests, the bytes that were asked for, and seconds of wall-clock time: the smallest of some rounds.
"""

from __future__ import annotations

import argparse
import functools
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import uproot

import hepae  # noqa: F401 - registers the interpretation of compressed columns
from scripts.hardening import evidence
from scripts.read_columns import COLUMNS as ANALYSIS

DELAY = 0.05
ROUNDS = 3
RANGE = re.compile(r"bytes=(\d+)-(\d+)$")
COLUMNS = ("columns", "file", "file, B", "requests", "bytes asked for", "seconds")
SOURCES = (
    "hepae/read",
    "hepae/stored",
    "hepae/root/file",
    "hepae/root/ttree",
    "hepae/core",
    "scripts/remote_reading.py",
)
TEXT = """
Some columns of a file, opened anew, read with uproot from a server on the loopback that adds 50 ms to every request.
*Bytes asked for*: of all requests, headers included. *Seconds*: of wall-clock time, the smallest of three rounds. The
compressed file is what `hepae compress` makes of the original, losslessly.
"""


@dataclass
class Asked:
    """What a server was asked for."""

    requests: int = 0
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, size: int) -> None:
        """One more request of so many bytes."""
        with self.lock:
            self.requests += 1
            self.bytes += size


class Handler(BaseHTTPRequestHandler):
    """Gives ranges of the files of a folder, late."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, asked: Asked, *rest: Any) -> None:
        self.folder, self.asked = folder, asked
        super().__init__(*rest)

    def do_HEAD(self) -> None:
        """Answer with the size of a file."""
        self._answer(HTTPStatus.OK, self._file().stat().st_size, {"Accept-Ranges": "bytes"}, b"")

    def do_GET(self) -> None:
        """Answer with one range of a file; a server need not know several in one request."""
        size = self._file().stat().st_size
        asked = RANGE.match(self.headers.get("Range", f"bytes=0-{size - 1}"))
        if asked is None:
            return self._answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, {}, b"")
        first, last = int(asked[1]), min(int(asked[2]), size - 1)
        with self._file().open("rb") as file:
            file.seek(first)
            body = file.read(last - first + 1)
        return self._answer(
            HTTPStatus.PARTIAL_CONTENT, len(body), {"Content-Range": f"bytes {first}-{last}/{size}"}, body
        )

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _file(self) -> Path:
        return self.folder / Path(self.path).name

    def _answer(self, status: HTTPStatus, size: int, headers: dict[str, str], body: bytes) -> None:
        self.asked.note(len(body))
        time.sleep(DELAY)
        self.send_response(status)
        self.send_header("Content-Length", str(size))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as a client opens; of the usual five, others wait for seconds."""

    request_queue_size = 128
    daemon_threads = True


@contextmanager
def served(folder: Path, asked: Asked) -> Iterator[str]:
    """The address of a folder."""
    with Server(("127.0.0.1", 0), functools.partial(Handler, folder, asked)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def row(path: Path, tree: str, label: str, columns: Sequence[str]) -> dict[str, object]:
    """What reading columns of a file costs."""
    seconds, counted = [], Asked()
    for _ in range(ROUNDS):
        asked = counted = Asked()
        with served(path.parent, asked) as address:
            began = time.perf_counter()
            with uproot.open(f"{address}/{path.name}") as file:
                file[tree].arrays(list(columns))
            seconds.append(time.perf_counter() - began)
    cells = (
        label,
        path.stem,
        f"{path.stat().st_size:,}",
        counted.requests,
        f"{counted.bytes:,}",
        f"{min(seconds):.2f}",
    )
    return dict(zip(COLUMNS, cells, strict=True))


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("original", type=Path)
    parser.add_argument("small", type=Path)
    parser.add_argument("--tree", default="Events")
    parser.add_argument("--evidence", type=Path)
    options = parser.parse_args()
    with uproot.open(options.original) as file:
        known = set(file[options.tree].keys())
    analysis = [name for name in ANALYSIS.split(",") if name in known]
    choices = {"Jet_pt": ["Jet_pt"], f"{len(analysis)} of an analysis": analysis}
    rows = [
        row(path, options.tree, label, columns)
        for label, columns in choices.items()
        for path in (options.original, options.small)
    ]
    for one in rows:
        print("  ".join(str(cell) for cell in one.values()))
    if options.evidence:
        page = evidence.Page(options.evidence, "Reading over a network", TEXT, COLUMNS, SOURCES, key=2)
        page.note(rows)


if __name__ == "__main__":
    main()
