"""Channel dependencies of a graph: what lives and dies together, what can go, and how it goes."""
