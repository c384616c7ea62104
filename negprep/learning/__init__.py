"""Models that learn which items are hard to tell from positives. Arrays in, arrays out."""
