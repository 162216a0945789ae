"""`python -m deploy.local.install`: brings and prepares Kafka for this user. Costs nothing the second time."""

import sys

from deploy.local.errors import StackError
from deploy.local.installation import installed


def main() -> int:
    try:
        installed(print)
    except StackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
