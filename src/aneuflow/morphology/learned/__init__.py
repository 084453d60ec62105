"""The sac's measures by a network from points of the wall alone, as a check of those by geometry."""
