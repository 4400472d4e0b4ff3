"""The command ``hepae``: who interrupts it while packages are being imported sees no traceback.

It is beside the package, since importing a part of that imports most of it, which takes a second.
"""

import signal


def main() -> int:
    """Run the command line."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing was begun: the process just ends
    from hepae.cli import main as run

    signal.signal(signal.SIGINT, before)
    return run()
