"""The sections of a report: each measures one aspect of a dataset."""
