"""The answer to a request, made from a publication, without HTTP."""
