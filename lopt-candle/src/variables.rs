//! Named variables and the flat vector of their values.
//!
//! The optimizer thinks in `f32`; a variable may hold fewer bits, or more.

use crate::Error;
use candle_core::{DType, Device, Storage, Tensor, Var};
use candle_nn::VarMap;
use lopt_core::{Layout, TensorShape};
use std::collections::HashSet;
use std::sync::PoisonError;

/// The variables that an optimizer is to train, in order, each with the name that groups, state files
/// and diagnostics know it by.
///
/// * Of a `&VarMap`: all of them, in the order of their names, which are those of the map.
/// * Of a `Vec` of pairs: the names that are given.
/// * Of a `Vec<Var>`: `var.0`, `var.1` and so on. `VarMap::all_vars()` has another order in every process,
///   which changes rounding and makes state files useless in the next one.
#[derive(Clone, Debug)]
pub struct NamedVars(Vec<(String, Var)>);

impl From<&VarMap> for NamedVars {
    fn from(map: &VarMap) -> Self {
        let data = map.data().lock().unwrap_or_else(PoisonError::into_inner);
        let mut named: Vec<_> =
            data.iter().map(|(name, var)| (name.clone(), var.clone())).collect();
        named.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(named)
    }
}

impl<N: Into<String>> From<Vec<(N, Var)>> for NamedVars {
    fn from(named: Vec<(N, Var)>) -> Self {
        Self(named.into_iter().map(|(name, var)| (name.into(), var)).collect())
    }
}

impl From<Vec<Var>> for NamedVars {
    fn from(vars: Vec<Var>) -> Self {
        let named = vars.into_iter().enumerate().map(|(i, var)| (format!("var.{i}"), var));
        Self(named.collect())
    }
}

/// The distinct variables of a model, in the order of the layout.
#[derive(Clone, Debug)]
pub(crate) struct Variables {
    vars: Vec<Var>,
    layout: Layout,
}

impl Variables {
    /// Leaves out what holds no floating-point numbers, as candle's optimizers do, or no numbers at
    /// all, and every occurrence of a variable but the first.
    pub(crate) fn new(NamedVars(named): NamedVars) -> Result<Self, Error> {
        let (mut vars, mut shapes, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (name, var) in named {
            if !var.dtype().is_float() || var.elem_count() == 0 || !seen.insert(var.id()) {
                continue;
            }
            if !matches!(var.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64) {
                return Err(Error::DType { name, dtype: var.dtype() });
            }
            shapes.push(TensorShape::new(name, var.dims()));
            vars.push(var);
        }
        if vars.is_empty() {
            return Err(Error::NoVariables);
        }
        Ok(Self { vars, layout: Layout::new(shapes)? })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn var(&self, t: usize) -> &Var {
        &self.vars[t]
    }

    pub(crate) fn name(&self, t: usize) -> String {
        self.layout.tensors()[t].name.clone()
    }

    /// Copies the values of variable `t` to `out`.
    pub(crate) fn read(&self, t: usize, out: &mut [f32]) -> candle_core::Result<()> {
        with_values(&self.vars[t], |values| out.copy_from_slice(values))
    }

    /// Whether variable `t` holds anything but `values`, rounded to its kind of number.
    pub(crate) fn differs(&self, t: usize, values: &[f32]) -> candle_core::Result<bool> {
        let var = &self.vars[t];
        if matches!(var.dtype(), DType::F32 | DType::F64) {
            return with_values(var, |held| !same(held, values));
        }
        let rounded = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
        let rounded = rounded.to_dtype(var.dtype())?;
        with_values(var, |held| with_values(&rounded, |values| !same(held, values)))?
    }

    /// Sets variable `t`, rounding to its kind of number.
    pub(crate) fn write(&self, t: usize, values: &[f32]) -> candle_core::Result<()> {
        let var = &self.vars[t];
        let tensor = Tensor::from_slice(values, var.shape(), &Device::Cpu)?;
        var.set(&tensor.to_dtype(var.dtype())?.to_device(var.device())?)
    }
}

/// Shows the values of a tensor in row-major order, without a copy where they lie like that.
pub(crate) fn with_values<R>(
    tensor: &Tensor,
    look: impl FnOnce(&[f32]) -> R,
) -> candle_core::Result<R> {
    let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F32)?.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => {
            let start = layout.start_offset();
            Ok(look(&storage.as_slice::<f32>()?[start..start + layout.shape().elem_count()]))
        }
        _ => candle_core::bail!("a tensor on the CPU is stored elsewhere"),
    }
}

/// Equal bits, any NaN being like another.
pub(crate) fn same(a: &[f32], b: &[f32]) -> bool {
    let alike = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    a.len() == b.len() && a.iter().zip(b).all(alike)
}
