"""Training of the network; needs torch and numpy alone."""
