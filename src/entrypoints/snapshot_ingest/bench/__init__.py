"""The bench: the pipeline beside what people would write, on real servers, in one run."""
