"""``python -m zra_async.cli``: the same as ``zra``."""

import sys

from zra_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
