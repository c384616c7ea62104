"""Prepared files checked against their log; shares nothing with what drew the negatives."""
