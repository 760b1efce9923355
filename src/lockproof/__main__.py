"""`python -m lockproof`."""

import sys

from lockproof.cli import main

if __name__ == "__main__":
    sys.exit(main())
