"""One result element per input element."""
