"""Nightly batch recommendations: one folder a concept, in the order the data flows.

In:    day files of user events and items under the home's landing folder.
Out:   published top-N lists, and the evidence for them.
Grain: one night (`as_of`), described in docs/architecture.md.
"""

__version__ = "0.1.0"
