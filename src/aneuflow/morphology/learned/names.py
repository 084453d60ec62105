"""What the network is given and answers: names and sizes, in the order of its arrays."""

LENGTHS = ("maximum_diameter", "height", "width")
INDICES = ("nonsphericity_index", "ellipticity_index", "aspect_ratio")
ANGLES = ("inflow_angle", "outflow_angle")
MEASURES = (*LENGTHS, *INDICES, *ANGLES)
# Where the neck's middle and the dome's summit are, and where the inflow and the outflow branch begin and lead to.
PLACES = ("neck", "summit", "inflow_start", "inflow_end", "outflow_start", "outflow_end")

POINTS, NEIGHBORS, FEATURES = 1536, 20, 6
CLOUDS = 2  # drawn of each wall: the network's answers are their mean, and how far they lie apart counts
LEVELS = (POINTS, POINTS // 4, POINTS // 16)
INPUTS = ("points", "normals", "features", "near_1", "near_2", "up_1", "up_2", "weight_1", "weight_2")
OUTPUTS = ("sac", "places")
