"""One line for every public layer, loss and optimizer; `laws/` holds each to the same laws."""
