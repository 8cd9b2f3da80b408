"""Derivation: from the source of layers, loss and optimizer to the statements of one training step."""
