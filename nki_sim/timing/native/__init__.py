"""A small part of Python that can be compiled: translate.py makes LLVM's text of it, link.py code of the text."""
