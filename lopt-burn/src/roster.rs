//! Which parameters a module has, in the order of a visit, and where each lies in the flat vector.

use crate::error::Error;
use crate::statistics;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use lopt_core::{Layout, TensorShape};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Every float tensor that a visit of the module comes by.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    places: Vec<Place>,
    layout: Layout,
}

/// One float tensor of the module.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub name: String,
    pub shape: Vec<usize>,
    /// Tensor of the layout, if it is trained; tied places have the same.
    pub slot: Option<usize>,
    /// Whether no earlier place has this slot.
    pub first: bool,
    /// Whether a forward pass changes it.
    pub statistic: bool,
}

impl Roster {
    /// The parameters of a module as it is now.
    pub(crate) fn of<M: Module>(module: &M) -> Result<Self, Error> {
        let mut census = Census::default();
        module.visit(&mut census);
        // an id that is trained anywhere is trained everywhere
        let mut slots: BTreeMap<ParamId, usize> = BTreeMap::new();
        let mut tensors = Vec::new();
        // a tensor without elements has nothing to train
        for found in census.found.iter().filter(|found| found.trained && !found.shape.contains(&0))
        {
            if let Entry::Vacant(slot) = slots.entry(found.id) {
                slot.insert(tensors.len());
                tensors.push(TensorShape::new(found.name.clone(), found.shape.clone()));
            }
        }
        if tensors.is_empty() {
            return Err(census.nothing_to_train());
        }
        let layout = Layout::new(tensors)?;
        let statistics = statistics::of(module);
        let mut seen = vec![false; layout.tensor_count()];
        let mut places = Vec::with_capacity(census.found.len());
        for (index, Found { id, name, shape, .. }) in census.found.into_iter().enumerate() {
            let slot = slots.get(&id).copied();
            let first = slot.is_some_and(|slot| !std::mem::replace(&mut seen[slot], true));
            if let Some(slot) = slot
                && layout.tensors()[slot].shape != shape
            {
                let tied = &layout.tensors()[slot];
                let expected = described(&tied.name, &tied.shape);
                return Err(Error::Parameter { expected, got: described(&name, &shape) });
            }
            let statistic = slot.is_none() && statistics.get(index) == Some(&true);
            places.push(Place { name, shape, slot, first, statistic });
        }
        Ok(Self { places, layout })
    }

    /// Whether the module has running statistics.
    pub(crate) fn has_statistics(&self) -> bool {
        self.places.iter().any(|place| place.statistic)
    }

    /// What is trained.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether a module has the same parameters.
    pub(crate) fn accepts<M: Module>(&self, module: &M) -> Result<(), Error> {
        let mut check = Check(self.walk());
        module.visit(&mut check);
        check.0.finish()
    }

    /// Begins a visit of a module that has to have the same parameters.
    pub(crate) fn walk(&self) -> Walk<'_> {
        Walk { roster: self, path: Path::default(), next: 0, problem: None }
    }
}

/// A visit under way; the first thing that is wrong stays until the end.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    roster: &'a Roster,
    path: Path,
    next: usize,
    problem: Option<Error>,
}

impl<'a> Walk<'a> {
    pub(crate) fn enter(&mut self, name: &str) {
        self.path.0.push(name.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.path.0.pop();
    }

    /// The next float tensor; its slot, if it is trained and is what it was when the roster was made.
    pub(crate) fn next<const D: usize>(
        &mut self,
        param: &Param<Tensor<D>>,
    ) -> Option<(&'a Place, usize)> {
        let place = self.place(param)?;
        place.slot.map(|slot| (place, slot))
    }

    /// The next float tensor, trained or not, if it is what it was when the roster was made.
    pub(crate) fn place<const D: usize>(&mut self, param: &Param<Tensor<D>>) -> Option<&'a Place> {
        let roster = self.roster;
        self.next += 1;
        // too many: `finish` says so, with their number
        let place = roster.places.get(self.next - 1)?;
        let shape = param.lazy_shape();
        if !self.path.is(&place.name) || shape.as_slice() != place.shape {
            let got = described(&self.path.name(), shape.as_slice());
            self.fail(Error::Parameter { expected: described(&place.name, &place.shape), got });
            return None;
        }
        let trainable = !place.shape.contains(&0) && param.is_require_grad();
        if place.slot.is_none() && trainable {
            self.fail(Error::Thawed { name: place.name.clone() });
        }
        Some(place)
    }

    /// Keeps the first problem.
    pub(crate) fn fail(&mut self, problem: Error) {
        self.problem.get_or_insert(problem);
    }

    pub(crate) fn finish(self) -> Result<(), Error> {
        let (expected, got) = (self.roster.places.len(), self.next);
        match self.problem {
            _ if expected != got => Err(Error::Count { expected, got }),
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }
}

/// Field names from the module down.
#[derive(Debug, Default)]
struct Path(Vec<String>);

impl Path {
    fn name(&self) -> String {
        self.0.join(".")
    }

    /// Whether [`name`](Self::name) would give this.
    fn is(&self, name: &str) -> bool {
        let mut rest = Some(name);
        for (i, part) in self.0.iter().enumerate() {
            let dotted = if i == 0 { rest } else { rest.and_then(|r| r.strip_prefix('.')) };
            rest = dotted.and_then(|r| r.strip_prefix(part.as_str()));
        }
        rest == Some("")
    }
}

struct Check<'a>(Walk<'a>);

impl ModuleVisitor for Check<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.0.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.0.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.next(param);
    }
}

/// What the first visit finds.
#[derive(Debug, Default)]
struct Census {
    path: Path,
    found: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    id: ParamId,
    name: String,
    shape: Vec<usize>,
    trained: bool,
    autodiff: bool,
}

impl Census {
    fn nothing_to_train(&self) -> Error {
        let parameters = self.found.iter().filter(|found| !found.shape.contains(&0)).count();
        Error::NothingToTrain { parameters, autodiff: self.found.iter().any(|f| f.autodiff) }
    }
}

impl ModuleVisitor for Census {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (name, shape) = (self.path.name(), param.lazy_shape().as_slice().to_vec());
        let (trained, autodiff) = (param.is_require_grad(), param.lazy_device().is_autodiff());
        self.found.push(Found { id: param.id, name, shape, trained, autodiff });
    }
}

fn described(name: &str, shape: &[usize]) -> String {
    format!("{name} {shape:?}")
}
