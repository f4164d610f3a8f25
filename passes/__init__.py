"""The passes that graphmorph ships: one file each, registered in the entry-point group `graphmorph.passes`."""
