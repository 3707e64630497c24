"""A second implementation of the specification, written from the chapters. It shares no code with the first."""
