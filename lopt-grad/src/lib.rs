//! lopt-grad.
