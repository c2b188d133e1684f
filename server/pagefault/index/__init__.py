"""Full text over pages: `fulltext` for the store, `snippet` for what a result quotes."""
