"""Where everything lies: one contract, and the stores that keep it."""
