"""From positives and negatives to rows."""
