//! Values in bincode's wire format with fixed integers: fields one after the other, little-endian, a sequence
//! after its length, what may be missing after one byte, a variant after its number.
//!
//! States and checkpoints have their numbers so, and configurations in files from before they had names
//! (`header.rs`). What is here of those describes files that exist and never changes.

use super::weights::OptimizerConfig;
use crate::hierarchical_rnn::psi::config::{
    GlobalInput as Global, HierarchicalRnnConfig, Normalization as Norm, RelativeRate as Relative,
    StepOffset as Offset,
};
use crate::relative_rnn::RelativeRnnConfig;

/// A value that stands in bytes by its position alone.
pub trait Positional: Sized {
    /// Appends it.
    fn put(&self, to: &mut Vec<u8>);

    /// The next value; `from` is then what comes after it. `None` if it is not one.
    fn take(from: &mut &[u8]) -> Option<Self>;

    /// Its bytes.
    fn to_positions(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.put(&mut bytes);
        bytes
    }

    /// The value that is all of these bytes.
    fn from_positions(mut bytes: &[u8]) -> Option<Self> {
        Self::take(&mut bytes).filter(|_| bytes.is_empty())
    }
}

/// Writes and reads a struct field by field.
#[doc(hidden)]
#[macro_export]
macro_rules! positional {
    ($name:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::positional::Positional for $name {
            fn put(&self, to: &mut Vec<u8>) {
                $($crate::positional::Positional::put(&self.$field, to);)+
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::positional::Positional::take(from)?),+ })
            }
        }
    };
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Positional for $number {
            fn put(&self, to: &mut Vec<u8>) {
                to.extend(self.to_le_bytes());
            }
            fn take(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        }
    )+};
}
numbers!(u8, u32, u64, f32, f64);

impl Positional for usize {
    fn put(&self, to: &mut Vec<u8>) {
        (*self as u64).put(to);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        u64::take(from)?.try_into().ok()
    }
}

impl Positional for bool {
    fn put(&self, to: &mut Vec<u8>) {
        u8::from(*self).put(to);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        [false, true].get(usize::from(u8::take(from)?)).copied()
    }
}

impl<T: Positional> Positional for Option<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        self.iter().for_each(|value| value.put(to));
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}

impl<T: Positional> Positional for Vec<T> {
    fn put(&self, to: &mut Vec<u8>) {
        self.len().put(to);
        self.iter().for_each(|value| value.put(to));
    }
    // grows as values are found, so that a damaged length takes no memory
    fn take(from: &mut &[u8]) -> Option<Self> {
        (0..usize::take(from)?).map(|_| T::take(from)).collect()
    }
}

impl Positional for String {
    fn put(&self, to: &mut Vec<u8>) {
        self.len().put(to);
        to.extend(self.as_bytes());
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let length = usize::take(from)?;
        let (bytes, rest) = from.split_at_checked(length)?;
        *from = rest;
        Self::from_utf8(bytes.to_vec()).ok()
    }
}

impl<T: Positional, const N: usize> Positional for [T; N] {
    fn put(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|value| value.put(to));
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        let values: Option<Vec<T>> = (0..N).map(|_| T::take(from)).collect();
        values?.try_into().ok()
    }
}

impl<A: Positional, B: Positional> Positional for (A, B) {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.put(to);
        self.1.put(to);
    }
    fn take(from: &mut &[u8]) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

/// The variant whose number comes next.
fn one_of<T: Copy, const N: usize>(from: &mut &[u8], variants: [T; N]) -> Option<T> {
    variants.get(u32::take(from)? as usize).copied()
}

/// Which optimizer, as weights of version 6 and states of version 8 say it.
pub(crate) fn optimizer(from: &mut &[u8]) -> Option<OptimizerConfig> {
    match u32::take(from)? {
        0 => Some(hierarchical_rnn(from, true, 6)?.into()),
        1 => {
            let (tensor_hidden, global_hidden) = (Positional::take(from)?, Positional::take(from)?);
            let others = RelativeRnnConfig::default();
            Some(RelativeRnnConfig { tensor_hidden, global_hidden, ..others }.into())
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
    let pace =
        |from: &mut &[u8], number| if number <= paces { Positional::take(from) } else { Some(0.0) };
    Some(HierarchicalRnnConfig {
        parameter_hidden: Positional::take(from)?,
        tensor_hidden: Positional::take(from)?,
        global_hidden: Positional::take(from)?,
        timescales: Positional::take(from)?,
        attention: Positional::take(from)?,
        gradient_products: Positional::take(from)?,
        asinh: Positional::take(from)?,
        rms_decay_per_scale: Positional::take(from)?,
        previous_scale: Positional::take(from)?,
        normalization: one_of(from, [Norm::None, Norm::Rms, Norm::MeanNorm])?,
        step_offset: one_of(from, [Offset::None, Offset::Parameter, Offset::Attention])?,
        relative_rate: one_of(from, [Relative::Off, Relative::Tensor, Relative::Problem])?,
        global_input: one_of(from, [Global::MeanOfTensors, Global::LastTensor])?,
        learnable_decay: Positional::take(from)?,
        learnable_gradient_decay: Positional::take(from)?,
        dynamic_output_scale: Positional::take(from)?,
        zero_init_rate: Positional::take(from)?,
        log_mean_squares: Positional::take(from)?,
        extreme_indicator: Positional::take(from)?,
        rate_shortcut: Positional::take(from)?,
        parameter_scale: if parameter_scale { Positional::take(from)? } else { false },
        gradient_shortcut: Positional::take(from)?,
        learnable_initial_state: Positional::take(from)?,
        max_log_rate: Positional::take(from)?,
        initial_rate: Positional::take(from)?,
        warmup: pace(from, 1)?,
        decay: pace(from, 2)?,
        largest_decay: pace(from, 3)?,
        clock: pace(from, 4)?,
        wide_from: pace(from, 5)?,
        least_gradient: pace(from, 6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, PartialEq, serde::Serialize)]
    struct Everything {
        words: (u8, u32),
        counts: (u64, usize),
        numbers: [Vec<f32>; 2],
        known: Option<f64>,
        flags: Vec<bool>,
        names: Vec<(String, Vec<u64>)>,
        none: Option<Vec<Option<f64>>>,
    }
    positional!(Everything { words, counts, numbers, known, flags, names, none });

    fn everything() -> Everything {
        Everything {
            words: (7, 70_000),
            counts: (1 << 40, 12),
            numbers: [vec![1.5, -0.0], Vec::new()],
            known: Some(0.1),
            flags: vec![true, false],
            names: vec![("a.weight".to_owned(), vec![3, 4]), (String::new(), Vec::new())],
            none: None,
        }
    }

    #[test]
    fn the_bytes_are_bincodes() {
        let bytes = everything().to_positions();
        let expected = bincode::serde::encode_to_vec(everything(), bincode::config::legacy());
        assert_eq!(bytes, expected.expect("bincode encodes"));
        assert_eq!(Everything::from_positions(&bytes), Some(everything()));
    }

    #[test]
    fn what_is_cut_or_too_long_is_refused() {
        let bytes = everything().to_positions();
        for end in 0..bytes.len() {
            assert_eq!(Everything::from_positions(&bytes[..end]), None, "{end} bytes");
        }
        assert_eq!(Everything::from_positions(&[&bytes[..], &[0]].concat()), None);
        // a length that no memory has
        assert_eq!(Vec::<u8>::from_positions(&u64::MAX.to_le_bytes()), None);
        assert_eq!(String::from_positions(&u64::MAX.to_le_bytes()), None);
    }

    proptest! {
        /// Whatever the bytes are: nothing, or a value of just these bytes.
        #[test]
        fn any_bytes_are_a_value_or_none(mut bytes: Vec<u8>, at: prop::sample::Index) {
            let taken = |bytes: &[u8]| Everything::from_positions(bytes).map(|x| x.to_positions());
            prop_assert!(taken(&bytes).is_none_or(|again| again == bytes));
            let whole = everything().to_positions();
            let at = at.index(whole.len());
            bytes.truncate(3);
            let changed = [&whole[..at], &bytes, &whole[(at + bytes.len()).min(whole.len())..]].concat();
            prop_assert!(taken(&changed).is_none_or(|again| again == changed));
        }
    }
}
