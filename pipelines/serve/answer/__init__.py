"""From a publication and a request to an answer, without HTTP."""
