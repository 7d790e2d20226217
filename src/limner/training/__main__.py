"""``accelerate launch -m limner.training RECIPE ...``: ``limner train`` in as many processes as accelerate starts."""

import sys
from importlib import import_module

# Read by name: the command line lies above this room, which may not know it.
import_module("limner.apps.cli").main(["train", *sys.argv[1:]])
