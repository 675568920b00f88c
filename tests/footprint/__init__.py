"""How much memory a worker process takes under a backlog of large configurations."""
