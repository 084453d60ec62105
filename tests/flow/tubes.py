"""Closed, patched surfaces of simple vessels for the solver's tests; they are the verification's."""

from aneuflow.verification.shapes import INLET, OUTLET, frame_along, tube, tube_model

__all__ = ["INLET", "OUTLET", "frame_along", "tube", "tube_model"]
