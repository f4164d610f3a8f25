"""What is known of the values of every tensor, whatever the input: constants, bounds, and which elements are equal."""
