"""Detach at once, then supervise. Run as a file, with `-I -S`, from a copy of the code in $OUTLAST_HOME/lib."""

import os
import sys

if os.fork():
    os._exit(0)
os.setsid()
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from outlast.supervisor.main import main  # noqa: E402 (the parent is gone before anything slow is imported)

main(sys.argv[1], acknowledged="ack" in sys.argv[2:])
