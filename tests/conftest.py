"""Makes the modules beside this file (`independent`, `logs`, `reference`, `randomness`) importable in every test."""
