"""One model of a document, one way to write a figure, and three output formats.

In: numbers, texts and rows that a stage has found.
Out: lines of a terminal or log, Markdown, an HTML page that needs nothing else.
Grain: a document is a sequence of blocks; a table has one row per thing that is compared.
Fails when: never for what a text holds; signs that would be markup or commands are written as text.
"""
