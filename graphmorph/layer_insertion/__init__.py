"""Inserting a layer into a trained network, its function preserved: CompNet, NetMorph, Net2DeeperNet."""
