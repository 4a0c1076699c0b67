"""Read-only pages for people: tonight, a person, an item, the lists as a whole, the data, reports.

In:    the live publication, run folders, reports. Never the warehouse: no page waits for a night.
Out:   HTML under /console, without a script and without another host.
Grain: a page answers one question; what it shows is a document of `show/`.
Fails when: nothing is live, or what was asked for is not there; the page then says what to do.
"""
