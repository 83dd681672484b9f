//! What optimizers remember per parameter.

use lopt_core::{HierarchicalRnn, Layout, Optimizer};

use crate::contender::Contender;
use crate::error::CliError;
use crate::record::Row;
use crate::setting::{Learned, LearnedWeights, Setting};

/// Bytes of state per parameter of every contender after two steps on a model of this size; learned
/// optimizers also with a compact state.
///
/// # Errors
///
/// If weights do not fit.
pub fn rows(contenders: &[Contender], layout: &Layout) -> Result<Vec<Row>, CliError> {
    let mut rows = Vec::new();
    let mut push = |name: &str, optimizer: &mut dyn Optimizer| {
        let mut params = vec![0.1; layout.len()];
        let grads: Vec<f32> = (0..layout.len()).map(|i| (i as f32 * 0.37).sin()).collect();
        let stepped = (0..STEPS).all(|_| optimizer.step(&mut params, &grads).is_ok());
        let bytes = optimizer.memory_bytes() as f64 / layout.len() as f64;
        if stepped {
            rows.push(Row::bar("bytes of state per parameter", name, bytes));
        }
    };
    for Contender { name, settings } in contenders {
        let Some(setting) = settings.first() else { continue };
        push(name, setting.build(layout, STEPS)?.as_mut());
        if let Setting::Learned(Learned { weights: LearnedWeights::Lopt(weights), .. }) = setting {
            // relative RNNs have none
            if let Ok(rnn) = HierarchicalRnn::from_weights(weights, layout) {
                push(&format!("{name}, compact"), &mut rnn.with_compact_state());
            }
        }
    }
    Ok(rows)
}

/// Steps after which everything is allocated.
const STEPS: usize = 2;
