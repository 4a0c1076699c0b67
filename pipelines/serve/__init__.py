"""Stage `serve`: a verified publication in, HTTP answers and the log of exposures out."""
