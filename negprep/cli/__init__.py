"""The command line: click, the error boundary, progress and the closing summary; no work on data."""
