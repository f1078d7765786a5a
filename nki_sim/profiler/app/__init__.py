"""The terminal app `nki-sim view`: lanes to pan, zoom and search, and panes that say what the cursor stands on.

tracks, model, critical, graph, tally, search   the data, sorted once, so that a key costs what the screen shows
window, state, jumps                            what is on the screen and what each command does to it; no terminal
waits, drawing, lanes, panes                    words, characters and lines that several views use
inspector, region, source, memory, compare, path, stalls, advice, help   the panes, as lines of text
widgets, app                                    the Textual side; picture renders it to SVG and text
"""
