//! Time of a step of the L2L optimizer, and of the way back, per coordinate and step.
//!
//! `cargo run --release -p lopt-meta --example l2l_step_time`

use lopt_core::rng::stream;
use lopt_core::simd::Level;
use lopt_meta::l2l::{L2lNetwork, L2lState, L2lUnroll, initial_psi};
use std::time::Instant;

/// Coordinates: about the MLP of figure 2.
const COORDINATES: usize = 16_384;
/// Steps of an unroll.
const STEPS: usize = 20;

#[allow(clippy::print_stdout, reason = "an example reports")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let level = Level::detect();
    let network = L2lNetwork::<f32>::new(&initial_psi(&mut stream(1, &[])), level)?;
    let grads: Vec<f32> = (0..COORDINATES).map(|i| (i as f32).sin() * 1e-2).collect();
    let gradients = vec![grads; STEPS];
    let start = L2lState::new(COORDINATES);
    for _ in 0..3 {
        let (mut state, mut params) = (start.clone(), vec![0.0; COORDINATES]);
        let before = Instant::now();
        for grads in &gradients {
            network.forward(&mut state, &mut params, grads);
        }
        let forward = before.elapsed();
        let before = Instant::now();
        network.backward(L2lUnroll {
            start: &start,
            gradients: &gradients,
            adjoints: &gradients,
        })?;
        let backward = before.elapsed();
        let each = |time: std::time::Duration| time.as_nanos() as usize / (COORDINATES * STEPS);
        let (threads, name) = (rayon::current_num_threads(), level.name());
        println!("{name}, {threads} threads: {} ns, back {} ns", each(forward), each(backward));
    }
    Ok(())
}
