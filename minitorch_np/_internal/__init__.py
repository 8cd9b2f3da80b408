"""Arrays, numerics, validation and files: parts without a public name."""
