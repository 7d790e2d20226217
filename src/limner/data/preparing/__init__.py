"""From a folder of anybody's photos to shards: every stage in a file of its own, ``run.py`` puts them in order."""
