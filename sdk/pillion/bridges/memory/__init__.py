"""The bridge of one process: needs nothing installed; the default and the test bed."""
