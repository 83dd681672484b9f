//! lopt-meta.
