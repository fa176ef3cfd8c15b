"""Read the data that people have into answer records."""
