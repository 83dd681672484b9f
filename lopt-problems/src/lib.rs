//! lopt-problems.
