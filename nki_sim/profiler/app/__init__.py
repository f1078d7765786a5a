"""The terminal app `nki-sim view`: lanes to pan, zoom and search, and panes that say what the cursor stands on.

tracks, model, graph, tally, search   the data, sorted once, so that a key costs what the screen shows
window, state                         what is on the screen and what each command does to it; no terminal needed
drawing, inspector, region, source, memory, compare, help   lines of text from them
lanes, widgets, app                   the Textual side; picture renders it to SVG and text
"""
