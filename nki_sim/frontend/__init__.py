"""From the text and the Python of a kernel to a Program: parser, dialect check, recorder."""
