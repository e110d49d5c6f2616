"""What tests need: for services built with pillion, and for adapters written for it."""
