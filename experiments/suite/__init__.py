"""The suite: a fixed set of problems on which any agent is given one score."""
