//! lopt-core.
