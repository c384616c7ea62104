"""Models to draw with, learnt from the train part of a log."""
