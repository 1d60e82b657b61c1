"""`python -m outlast.workflow package.module:function` calls the function with the execution's parameters."""

import sys

from outlast.workflow.calling import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
