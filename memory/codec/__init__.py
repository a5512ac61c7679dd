"""The codec: an autoencoder with a binary bottleneck, its versions, its training, one file for each kind of input."""
