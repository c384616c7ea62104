"""How the benchmarks measure and tell: processes, tables, the machine, the page that shows them."""
