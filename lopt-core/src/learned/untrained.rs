//! Tensors in state files that are not trained.

use super::StateError;
use super::saved::described;
use crate::layout::TensorShape;

/// A tensor of the model that steps do not move but that has to be there when a run goes on, such as
/// the running statistics of a batch norm. It is in state files and in nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct UntrainedTensor {
    /// Name and shape.
    pub tensor: TensorShape,
    /// As many as the shape says.
    pub values: Vec<f32>,
}

impl UntrainedTensor {
    /// Whether there are as many values as there have to be.
    pub(super) fn check(&self) -> Result<(), StateError> {
        let (expected, got) = (self.tensor.len(), self.values.len());
        if got != expected {
            let (name, shape) = described(&self.tensor);
            return Err(StateError::UntrainedValues { name, shape, got });
        }
        Ok(())
    }
}

/// Values of all of them.
pub(super) fn count(untrained: &[UntrainedTensor]) -> usize {
    untrained.iter().map(|tensor| tensor.values.len()).sum()
}

/// Those that the file has values for: all of these or none.
///
/// * `saved`: names and shapes in the file.
pub(super) fn compare<'a>(
    saved: &[(String, Vec<u64>)],
    here: &'a mut [UntrainedTensor],
) -> Result<&'a mut [UntrainedTensor], StateError> {
    if saved.is_empty() {
        return Ok(&mut []);
    }
    here.iter().try_for_each(UntrainedTensor::check)?;
    let expected: Vec<_> = here.iter().map(|here| described(&here.tensor)).collect();
    if *saved == expected {
        return Ok(here);
    }
    let names = |tensors: &[(String, Vec<u64>)]| {
        let named = tensors.iter().map(|(name, shape)| format!("{name} {shape:?}"));
        named.collect::<Vec<_>>().join(", ")
    };
    Err(StateError::Untrained { saved: names(saved), here: names(&expected) })
}
