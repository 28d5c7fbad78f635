"""npm for tests: `python tests/support/node.py FOLDER ci`, with the Node that the playground is built with."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from api.schema.graphiql.build import npm

if __name__ == "__main__":
    sys.exit(npm(*sys.argv[2:], folder=Path(sys.argv[1]).resolve()))
