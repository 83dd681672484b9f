//! Configurations in files from before they had names (`header.rs`): fields one after the other in
//! bincode's wire format. What is here describes files that exist and never changes.

use super::weights::OptimizerConfig;
use crate::hierarchical_rnn::psi::config::HierarchicalRnnConfig;
use crate::relative_rnn::RelativeRnnConfig;
use wincode::SchemaReadOwned;

/// Limit of one sequence, so that a damaged length takes no memory.
const LONGEST: usize = 64 << 20;

pub(crate) type Wire = wincode::config::Configuration<true, LONGEST>;

/// The next value; `from` is then what comes after it.
pub(crate) fn next<T: SchemaReadOwned<Wire, Dst = T>>(from: &mut &[u8]) -> Option<T> {
    wincode::config::deserialize_from(from, Wire::new()).ok()
}

/// Which optimizer, as weights of version 6 and states of version 8 say it.
pub(crate) fn optimizer(from: &mut &[u8]) -> Option<OptimizerConfig> {
    match next::<u32>(from)? {
        0 => Some(hierarchical_rnn(from, true, 6)?.into()),
        1 => {
            let (tensor_hidden, global_hidden) = (next(from)?, next(from)?);
            Some(RelativeRnnConfig { tensor_hidden, global_hidden, agreement: 0.0 }.into())
        }
        _ => None,
    }
}

/// The paper's optimizer. Files had `parameter_scale` or not, and of the six fields from `warmup` on
/// the first `paces`; what they lack was off.
pub(crate) fn hierarchical_rnn(
    from: &mut &[u8],
    parameter_scale: bool,
    paces: usize,
) -> Option<HierarchicalRnnConfig> {
    let pace = |from: &mut &[u8], number| if number <= paces { next(from) } else { Some(0.0) };
    Some(HierarchicalRnnConfig {
        parameter_hidden: next(from)?,
        tensor_hidden: next(from)?,
        global_hidden: next(from)?,
        timescales: next(from)?,
        attention: next(from)?,
        gradient_products: next(from)?,
        asinh: next(from)?,
        rms_decay_per_scale: next(from)?,
        previous_scale: next(from)?,
        normalization: next(from)?,
        step_offset: next(from)?,
        relative_rate: next(from)?,
        global_input: next(from)?,
        learnable_decay: next(from)?,
        learnable_gradient_decay: next(from)?,
        dynamic_output_scale: next(from)?,
        zero_init_rate: next(from)?,
        log_mean_squares: next(from)?,
        extreme_indicator: next(from)?,
        rate_shortcut: next(from)?,
        parameter_scale: if parameter_scale { next(from)? } else { false },
        gradient_shortcut: next(from)?,
        learnable_initial_state: next(from)?,
        max_log_rate: next(from)?,
        initial_rate: next(from)?,
        warmup: pace(from, 1)?,
        decay: pace(from, 2)?,
        largest_decay: pace(from, 3)?,
        clock: pace(from, 4)?,
        wide_from: pace(from, 5)?,
        least_gradient: pace(from, 6)?,
    })
}
