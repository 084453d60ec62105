"""aneuflow: from an angiogram of an intracranial aneurysm to its shape, its flow and a report. Research use only."""

__version__ = "0.1.0"
