"""Arteries from an angiogram: by threshold (`threshold.segment`) or by a network."""
