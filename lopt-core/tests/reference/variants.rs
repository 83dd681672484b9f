//! Configurations that together turn every switch, for tests that must hold for all of them.

use lopt_core::config::{GlobalInput, HierarchicalRnnConfig, Normalization};
use lopt_core::config::{RelativeRate, StepOffset};

/// Cuts steps off, with a straight-through gradient, which is not that of differences.
pub(crate) const LARGEST_FALLS: &str = "paper, largest step that falls";
/// Where steps depend on the size of the loss.
pub(crate) const STEPS_FADE: &str = "paper, steps that fade";

/// `(name, configuration)`.
pub(crate) fn variants() -> Vec<(&'static str, HierarchicalRnnConfig)> {
    let paper = HierarchicalRnnConfig::paper;
    let released = HierarchicalRnnConfig::released;
    vec![
        ("paper", paper()),
        ("released", released()),
        ("appendix d", HierarchicalRnnConfig::appendix_d()),
        ("recommended", HierarchicalRnnConfig::recommended()),
        ("released, attention", HierarchicalRnnConfig { attention: true, ..released() }),
        (
            "released, previous scale, mean of tensors",
            HierarchicalRnnConfig {
                previous_scale: true,
                global_input: GlobalInput::MeanOfTensors,
                ..released()
            },
        ),
        ("paper, asinh", HierarchicalRnnConfig { asinh: true, ..paper() }),
        ("paper, one timescale", HierarchicalRnnConfig { timescales: 1, ..paper() }),
        (
            "released, one timescale, previous scale",
            HierarchicalRnnConfig { timescales: 1, previous_scale: true, ..released() },
        ),
        ("released, seven timescales", HierarchicalRnnConfig { timescales: 7, ..released() }),
        (
            "paper, norm to the letter",
            HierarchicalRnnConfig { normalization: Normalization::MeanNorm, ..paper() },
        ),
        (
            "paper, offset on the attended step",
            HierarchicalRnnConfig { step_offset: StepOffset::Attention, ..paper() },
        ),
        (
            "paper, no offset, rate per tensor",
            HierarchicalRnnConfig {
                step_offset: StepOffset::None,
                relative_rate: RelativeRate::Tensor,
                ..paper()
            },
        ),
        (
            "paper, fixed decays, no relative rate",
            HierarchicalRnnConfig {
                learnable_decay: false,
                relative_rate: RelativeRate::Off,
                ..paper()
            },
        ),
        (
            "paper, fixed gradient decay",
            HierarchicalRnnConfig { learnable_gradient_decay: false, ..paper() },
        ),
        (
            "released, attention, fixed step length",
            HierarchicalRnnConfig {
                dynamic_output_scale: false,
                normalization: Normalization::None,
                attention: true,
                ..released()
            },
        ),
        ("paper, no log squares", HierarchicalRnnConfig { log_mean_squares: false, ..paper() }),
        (
            "paper, all rate inputs",
            HierarchicalRnnConfig {
                extreme_indicator: true,
                rate_shortcut: true,
                parameter_scale: true,
                ..paper()
            },
        ),
        (
            "paper, steps that rise and fall",
            HierarchicalRnnConfig {
                warmup: 3.0,
                decay: 2.0,
                largest_decay: 50.0,
                parameter_scale: true,
                ..paper()
            },
        ),
        (
            LARGEST_FALLS,
            HierarchicalRnnConfig { largest_decay: 1.0, parameter_scale: true, ..paper() },
        ),
        ("paper, a clock", HierarchicalRnnConfig { clock: 2.0, ..paper() }),
        (
            "paper, wide from three",
            HierarchicalRnnConfig { wide_from: 3.0, parameter_scale: true, ..paper() },
        ),
        (STEPS_FADE, HierarchicalRnnConfig { least_gradient: 0.7, ..paper() }),
        (
            "paper, no gradient shortcut",
            HierarchicalRnnConfig { gradient_shortcut: false, ..paper() },
        ),
        (
            "paper, zero initial states",
            HierarchicalRnnConfig { learnable_initial_state: false, ..paper() },
        ),
        (
            "paper, small and uneven sizes",
            HierarchicalRnnConfig {
                parameter_hidden: 5,
                tensor_hidden: 7,
                global_hidden: 4,
                ..paper()
            },
        ),
    ]
}
