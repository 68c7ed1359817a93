"""Commands that a person or a schedule runs, one file each; the Makefile names them."""
