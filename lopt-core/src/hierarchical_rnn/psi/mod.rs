//! Which hierarchical RNN: its configuration, its meta-parameters psi by name, and psi as kernels read it.

pub mod config;
pub mod meta_params;
pub mod network;
