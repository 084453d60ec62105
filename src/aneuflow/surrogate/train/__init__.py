"""Training of the surrogate's network: needs torch, the standard library and numpy alone, and runs under Python 3.11 too."""
