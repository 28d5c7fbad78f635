"""The dashboard: what a window of time looked like on the boards that the caller reads."""
