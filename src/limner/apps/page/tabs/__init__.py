"""One module per tab; each adds its fields to the page and hands what they say to the job of the command line."""
