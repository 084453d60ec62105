"""Training of the network that marks regions of the wall: needs torch, the standard library and numpy alone."""
