"""The page in a browser: what the command line does, for people who would rather see it."""
