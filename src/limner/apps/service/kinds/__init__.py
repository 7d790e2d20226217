"""One module per kind of job; each brings its ``KIND``."""
