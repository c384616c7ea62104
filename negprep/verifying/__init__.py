"""Prepared files checked against their log, in a way of its own: it shares nothing with what drew the negatives."""
