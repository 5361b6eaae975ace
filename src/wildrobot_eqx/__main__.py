"""`python -m wildrobot_eqx`, and the script `wildrobot-eqx`: the command line."""

import signal
import sys


def main() -> int:
    """Run the command line; a Ctrl-C while it is being loaded ends it as any program, without a traceback."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as command
    from .cli import streams

    streams.prepare()
    signal.signal(signal.SIGINT, before)
    return streams.close(command())


if __name__ == "__main__":
    sys.exit(main())
