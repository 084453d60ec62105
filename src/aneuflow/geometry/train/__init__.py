"""Training of the network that tells sac from artery on a wall: needs torch, the standard library and numpy alone."""
