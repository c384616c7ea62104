"""The library: the commands as functions, on files, Arrow tables and pandas frames; each is imported when asked for."""
