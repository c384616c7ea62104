"""Fitting: from the train part of a log to a model file."""
