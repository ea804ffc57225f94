"""Programs that measure the product: speed and quality."""
