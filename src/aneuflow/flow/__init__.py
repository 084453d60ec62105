"""The flow in a lumen by the lattice-Boltzmann method."""
