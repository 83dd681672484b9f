//! Tells the crate how far it is optimized, so that it can warn of steps that are 100 times as slow.
#![allow(clippy::print_stdout, reason = "build scripts talk to cargo by lines")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let level = std::env::var_os("OPT_LEVEL").unwrap_or_default();
    println!("cargo::rustc-env=LOPT_OPT_LEVEL={}", level.display());
}
