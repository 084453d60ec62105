"""Shear-thinning blood in numbers written down here anew, so that the product's own are checked too."""

CARREAU_YASUDA = {
    "viscosity": 0.0035,
    "zero_shear_viscosity": 0.056,
    "time_constant_s": 3.313,
    "yasuda_exponent": 2.0,
    "power_index": 0.3568,
}
CASSON = {"viscosity": 0.0035, "yield_stress_pa": 0.005}
