"""Print `.env.example`: `python -m gateline.shared.config > .env.example`."""

import sys

from gateline.shared.config import env_example

sys.stdout.write(env_example())
