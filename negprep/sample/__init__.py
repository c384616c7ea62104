"""The rules that draw negatives: arrays in, arrays out."""
