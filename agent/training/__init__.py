"""Training the tiny model from scratch: documents of the families, a decoder, stages, own drafts, a report."""
