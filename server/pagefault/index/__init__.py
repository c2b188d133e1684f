"""Full text over pages: `fulltext` in a store's own file, `follower` in a file beside a store on
another machine, `snippet` for what a result quotes."""
