//! The memory of a tape: nodes, values and adjoints in a few vectors that only grow.

use crate::kernel::Still;
use crate::ops::{self, Op, Pullback};
use crate::real::Real;
use crate::shape::Shape;

/// Marks an absent input.
pub(crate) const NONE: usize = usize::MAX;

/// One recorded operation and where its result lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) shape: Shape,
    /// Offset of the result in `values`.
    pub(crate) start: usize,
    /// Offset in `adjoints`; none if no variable was involved.
    pub(crate) adjoint: Option<usize>,
    pub(crate) inputs: [usize; 2],
    /// All tangents are known to be zero.
    pub(crate) still: bool,
}

impl Node {
    pub(crate) fn range(&self) -> core::ops::Range<usize> {
        self.start..self.start + self.shape.elements()
    }

    /// The nodes it was computed from.
    fn operands<'a>(&'a self, indices: &'a [usize]) -> &'a [usize] {
        match self.op {
            Op::Concat { first, parts, .. } => &indices[first..first + parts],
            _ => self.inputs.split(|&input| input == NONE).next().unwrap_or(&[]),
        }
    }
}

/// All memory of a tape: a few vectors that only grow.
#[derive(Default)]
pub(crate) struct Arena<R> {
    pub(crate) nodes: Vec<Node>,
    /// Results one after another; every operation writes all of its own.
    pub(crate) values: Vec<R>,
    /// Elements of `values` in use; what lies behind is left from before.
    pub(crate) used: usize,
    pub(crate) adjoints: Vec<R>,
    /// Elements of `adjoints` that a sweep needs.
    adjoint_elements: usize,
    /// Which nodes the last sweep came to; only their adjoints were written.
    pub(crate) reached: Vec<bool>,
    /// Operands of concatenations, rows of gathers.
    pub(crate) indices: Vec<usize>,
    /// Work space of convolutions and solves.
    pub(crate) scratch: Vec<R>,
    pub(crate) frozen: Mark,
}

/// How far the vectors of an arena are filled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mark {
    pub(crate) nodes: usize,
    used: usize,
    adjoint_elements: usize,
    indices: usize,
}

impl<R: Real> Arena<R> {
    /// Appends a node with room for its result and `extra` elements behind it.
    pub(crate) fn push(&mut self, op: Op, inputs: [usize; 2], shape: Shape, extra: usize) -> usize {
        let active = match op {
            Op::Variable => true,
            Op::Concat { first, parts, .. } => {
                self.indices[first..first + parts].iter().any(|&i| self.is_active(i))
            }
            _ => inputs.iter().any(|&i| i != NONE && self.is_active(i)),
        };
        let still = match op {
            // Leaves tell when their values are known.
            Op::Variable | Op::Constant | Op::Concat { .. } => false,
            _ => inputs.iter().all(|&i| i == NONE || self.nodes[i].still),
        };
        let start = self.used;
        self.used += shape.elements() + extra;
        if self.values.len() < self.used {
            self.values.resize(self.used, R::default());
        }
        let adjoint = active.then_some(self.adjoint_elements);
        if active {
            self.adjoint_elements += shape.elements();
        }
        self.nodes.push(Node { op, shape, start, adjoint, inputs, still });
        self.nodes.len() - 1
    }

    fn is_active(&self, node: usize) -> bool {
        self.nodes[node].adjoint.is_some()
    }

    /// Notes whether a constant, just written, has tangents; a variable will have.
    pub(crate) fn look_for_tangents(&mut self, leaf: usize) {
        let node = &mut self.nodes[leaf];
        if node.adjoint.is_none() {
            node.still = self.values[node.range()].iter().all(R::is_still);
        }
    }

    /// How far it is filled.
    pub(crate) const fn mark(&self) -> Mark {
        Mark {
            nodes: self.nodes.len(),
            used: self.used,
            adjoint_elements: self.adjoint_elements,
            indices: self.indices.len(),
        }
    }

    /// Forgets what came after the frozen part.
    pub(crate) fn clear(&mut self) {
        let mark = self.frozen;
        self.nodes.truncate(mark.nodes);
        self.used = mark.used;
        self.reached.clear();
        self.adjoint_elements = mark.adjoint_elements;
        self.indices.truncate(mark.indices);
    }

    /// Which of two operands has no tangent.
    pub(crate) fn still(&self, inputs: [usize; 2]) -> Still {
        match inputs.map(|i| self.nodes[i].still) {
            [true, _] => Still::A,
            [_, true] => Still::B,
            _ => Still::Neither,
        }
    }

    /// Sweeps back from the node `loss`, of one element, with adjoint one.
    pub(crate) fn sweep_back(&mut self, loss: usize) {
        if self.adjoints.len() < self.adjoint_elements {
            self.adjoints.resize(self.adjoint_elements, R::default());
        }
        self.reached.clear();
        self.reached.resize(self.nodes.len(), false);
        let Some(at) = self.nodes[loss].adjoint else { return };
        self.adjoints[at] = R::from_f64(1.0);
        self.reached[loss] = true;
        for (index, node) in self.nodes[..=loss].iter().enumerate().rev() {
            let Some(at) = node.adjoint else { continue };
            if !self.reached[index] {
                continue;
            }
            let mut fresh = [false; 2];
            for (i, &input) in node.operands(&self.indices).iter().enumerate() {
                let Some(at) = self.nodes[input].adjoint else { continue };
                let first = !core::mem::replace(&mut self.reached[input], true);
                if matches!(node.op, Op::MatMul) {
                    fresh[i] = first;
                } else if first {
                    // Right before they are added to, so that they are still in the cache.
                    let end = at + self.nodes[input].shape.elements();
                    self.adjoints[at..end].fill(R::default());
                }
            }
            let (before, rest) = self.adjoints.split_at_mut(at);
            ops::pull_back(Pullback {
                node,
                nodes: &self.nodes,
                values: &self.values,
                indices: &self.indices,
                scratch: &mut self.scratch,
                fresh,
                g: &rest[..node.shape.elements()],
                adjoints: before,
            });
        }
    }
}

/// What an operation reads while its value is computed.
pub(crate) struct Inputs<'a, R> {
    pub(crate) nodes: &'a [Node],
    pub(crate) values: &'a [R],
    pub(crate) indices: &'a [usize],
    pub(crate) inputs: [usize; 2],
}

impl<'a, R> Inputs<'a, R> {
    /// Values of the first or second input.
    pub(crate) fn get(&self, which: usize) -> &'a [R] {
        self.of(self.inputs[which])
    }

    /// Values of any node.
    pub(crate) fn of(&self, node: usize) -> &'a [R] {
        &self.values[self.nodes[node].range()]
    }

    /// Shape of any node.
    pub(crate) fn shape(&self, node: usize) -> Shape {
        self.nodes[node].shape
    }

    /// A list stored beside the nodes.
    pub(crate) fn list(&self, first: usize, length: usize) -> &'a [usize] {
        &self.indices[first..first + length]
    }
}
