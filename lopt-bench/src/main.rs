//! The command `lopt`; everything it does is in the library `lopt_bench`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lopt_bench::commands::main()
}
