"""One convolution as a block of parallel branches: the inverse of fusing, ACNet section 3.3 read backwards.

`asymmetric`, `repvgg` and `mobileone` say which branches a block has; `splitting` and `normalisation` compute what is
in them; `layer` reads a convolution from a graph, `block` puts its block in its place.
"""
