"""One file per group of commands; each has ``register(app)`` and loads what is heavy only when a command runs."""
