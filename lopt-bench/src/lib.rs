//! lopt-bench.
