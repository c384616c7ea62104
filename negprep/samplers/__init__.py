"""The rules that draw negatives."""
