"""From rows with ids to coded, grouped interactions."""
