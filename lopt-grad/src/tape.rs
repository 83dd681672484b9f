//! The tape: an arena that records operations and sweeps back over them.

use core::cell::RefCell;
use core::fmt;

use crate::kernel::Still;
use crate::ops::{self, Op, Operation, Pullback};
use crate::real::Real;
use crate::shape::Shape;
use crate::var::Var;

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
}

/// All memory of a tape: a few vectors that only grow.
pub(crate) struct Arena<R> {
    pub(crate) nodes: Vec<Node>,
    pub(crate) values: Vec<R>,
    pub(crate) adjoints: Vec<R>,
    /// Elements of `adjoints` that a sweep needs.
    adjoint_elements: usize,
    /// Operands of concatenations, rows of gathers.
    pub(crate) indices: Vec<usize>,
    /// Work space of convolutions and solves.
    pub(crate) scratch: Vec<R>,
    frozen: Mark,
}

/// How far the vectors of an arena are filled.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    nodes: usize,
    values: usize,
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
        let start = self.values.len();
        self.values.resize(start + shape.elements() + extra, R::default());
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
    fn look_for_tangents(&mut self, leaf: usize) {
        let node = &mut self.nodes[leaf];
        if node.adjoint.is_none() {
            node.still = self.values[node.range()].iter().all(R::is_still);
        }
    }
}

/// Records operations on [`Var`]s and computes gradients.
///
/// All memory sits in a few vectors that [`clear`](Self::clear) keeps: a tape that is cleared and
/// used again for the same computation allocates nothing.
///
/// ```
/// use lopt_grad::Tape;
///
/// let tape = Tape::<f64>::new();
/// let x = tape.variable(&[2], &[3.0, 4.0]);
/// let loss = x.square().sum();
/// assert_eq!(loss.item(), 25.0);
/// tape.backward(loss);
/// let mut gradient = [0.0; 2];
/// tape.gradient_into(x, &mut gradient);
/// assert_eq!(gradient, [6.0, 8.0]);
/// ```
pub struct Tape<R> {
    arena: RefCell<Arena<R>>,
}

impl<R: Real> Tape<R> {
    /// An empty tape.
    pub fn new() -> Self {
        Self {
            arena: RefCell::new(Arena {
                nodes: Vec::new(),
                values: Vec::new(),
                adjoints: Vec::new(),
                adjoint_elements: 0,
                indices: Vec::new(),
                scratch: Vec::new(),
                frozen: Mark::default(),
            }),
        }
    }

    /// Forgets everything recorded, up to what is [frozen](Self::freeze), and keeps the memory.
    pub fn clear(&mut self) {
        let arena = self.arena.get_mut();
        let mark = arena.frozen;
        arena.nodes.truncate(mark.nodes);
        arena.values.truncate(mark.values);
        arena.adjoints.clear();
        arena.adjoint_elements = mark.adjoint_elements;
        arena.indices.truncate(mark.indices);
    }

    /// Lets everything recorded so far survive [`clear`](Self::clear): constants that many
    /// evaluations share need not be copied again.
    ///
    /// ```
    /// # use lopt_grad::Tape;
    /// let mut tape = Tape::<f32>::new();
    /// tape.constant(&[2], &[1.0, 2.0]);
    /// tape.freeze();
    /// for x in [1.0, 10.0] {
    ///     tape.clear();
    ///     let y = tape.frozen(0).dot(tape.variable(&[2], &[x, x]));
    ///     assert_eq!(y.item(), 3.0 * x);
    /// }
    /// ```
    pub fn freeze(&mut self) {
        let arena = self.arena.get_mut();
        arena.frozen = Mark {
            nodes: arena.nodes.len(),
            values: arena.values.len(),
            adjoint_elements: arena.adjoint_elements,
            indices: arena.indices.len(),
        };
    }

    /// Forgets everything, frozen or not, and keeps the memory.
    pub fn reset(&mut self) {
        self.arena.get_mut().frozen = Mark::default();
        self.clear();
    }

    /// The `i`-th tensor recorded before [`freeze`](Self::freeze).
    ///
    /// # Panics
    ///
    /// If there were not so many.
    pub fn frozen(&self, i: usize) -> Var<'_, R> {
        let nodes = self.arena.borrow().frozen.nodes;
        assert!(i < nodes, "tensor {i} of {nodes} frozen ones");
        Var { tape: self, index: i }
    }

    /// A tensor whose gradient is wanted.
    ///
    /// * `values`: row-major, as many as `shape` has elements.
    ///
    /// # Panics
    ///
    /// If the number of values does not fit the shape, or the rank exceeds 4.
    pub fn variable(&self, shape: &[usize], values: &[R]) -> Var<'_, R> {
        self.leaf(Op::Variable, shape, values)
    }

    /// A tensor whose gradient is not wanted; nothing is computed towards it.
    ///
    /// # Panics
    ///
    /// If the number of values does not fit the shape, or the rank exceeds 4.
    pub fn constant(&self, shape: &[usize], values: &[R]) -> Var<'_, R> {
        self.leaf(Op::Constant, shape, values)
    }

    /// [`variable`](Self::variable) with element `i` given by `f(i)`.
    pub fn variable_from(&self, shape: &[usize], f: impl FnMut(usize) -> R) -> Var<'_, R> {
        self.leaf_from(Op::Variable, shape, f)
    }

    /// [`constant`](Self::constant) with element `i` given by `f(i)`.
    pub fn constant_from(&self, shape: &[usize], f: impl FnMut(usize) -> R) -> Var<'_, R> {
        self.leaf_from(Op::Constant, shape, f)
    }

    /// The constant `x`, of shape `[1]`.
    pub fn scalar(&self, x: f64) -> Var<'_, R> {
        self.constant(&[1], &[R::from_f64(x)])
    }

    fn leaf(&self, op: Op, shape: &[usize], values: &[R]) -> Var<'_, R> {
        let shape = Shape::new(shape);
        assert_eq!(values.len(), shape.elements(), "values for a tensor of shape {shape:?}");
        let arena = &mut *self.arena.borrow_mut();
        let index = arena.push(op, [NONE; 2], shape, 0);
        let range = arena.nodes[index].range();
        arena.values[range].copy_from_slice(values);
        arena.look_for_tangents(index);
        Var { tape: self, index }
    }

    fn leaf_from(&self, op: Op, shape: &[usize], mut f: impl FnMut(usize) -> R) -> Var<'_, R> {
        let arena = &mut *self.arena.borrow_mut();
        let index = arena.push(op, [NONE; 2], Shape::new(shape), 0);
        let range = arena.nodes[index].range();
        for (i, value) in arena.values[range].iter_mut().enumerate() {
            *value = f(i);
        }
        arena.look_for_tangents(index);
        Var { tape: self, index }
    }

    /// Records an operation and lets `write(inputs, work space, result)` compute it.
    pub(crate) fn record(
        &self,
        op: Op,
        inputs: [usize; 2],
        shape: Shape,
        extra: usize,
        write: impl FnOnce(Inputs<'_, R>, &mut Vec<R>, &mut [R]),
    ) -> Var<'_, R> {
        let arena = &mut *self.arena.borrow_mut();
        let index = arena.push(op, inputs, shape, extra);
        let (values, out) = arena.values.split_at_mut(arena.nodes[index].start);
        let inputs = Inputs { nodes: &arena.nodes, values, indices: &arena.indices, inputs };
        write(inputs, &mut arena.scratch, out);
        Var { tape: self, index }
    }

    /// Which of two operands has no tangent.
    pub(crate) fn still(&self, inputs: [usize; 2]) -> Still {
        let arena = self.arena.borrow();
        match inputs.map(|i| arena.nodes[i].still) {
            [true, _] => Still::A,
            [_, true] => Still::B,
            _ => Still::Neither,
        }
    }

    /// Appends to the list of indices; gives the offset.
    pub(crate) fn list(&self, indices: impl Iterator<Item = usize>) -> usize {
        let arena = &mut *self.arena.borrow_mut();
        let first = arena.indices.len();
        arena.indices.extend(indices);
        first
    }

    pub(crate) fn node(&self, index: usize) -> Node {
        self.arena.borrow().nodes[index]
    }

    /// Calls `f` with the values of `v`.
    pub(crate) fn with_values<T>(&self, v: usize, f: impl FnOnce(&[R]) -> T) -> T {
        let arena = self.arena.borrow();
        f(&arena.values[arena.nodes[v].range()])
    }

    /// Computes the gradient of `loss` with respect to every variable it was computed from.
    ///
    /// # Panics
    ///
    /// If `loss` has more than one element or belongs to another tape.
    pub fn backward(&self, loss: Var<'_, R>) {
        assert!(core::ptr::eq(self, loss.tape), "the loss belongs to another tape");
        let arena = &mut *self.arena.borrow_mut();
        let last = arena.nodes[loss.index];
        assert_eq!(last.shape.elements(), 1, "a loss has one element, not shape {:?}", last.shape);
        arena.adjoints.clear();
        arena.adjoints.resize(arena.adjoint_elements, R::default());
        let Some(at) = last.adjoint else { return };
        arena.adjoints[at] = R::from_f64(1.0);
        for node in arena.nodes[..=loss.index].iter().rev() {
            let Some(at) = node.adjoint else { continue };
            let (before, rest) = arena.adjoints.split_at_mut(at);
            ops::pull_back(Pullback {
                node,
                nodes: &arena.nodes,
                values: &arena.values,
                indices: &arena.indices,
                scratch: &mut arena.scratch,
                g: &rest[..node.shape.elements()],
                adjoints: before,
            });
        }
    }

    /// The gradient of the last [`backward`](Self::backward)'s loss with respect to `v`; zeros
    /// where the loss does not depend on it.
    ///
    /// # Panics
    ///
    /// If `out` has not the length of `v`.
    pub fn gradient_into(&self, v: Var<'_, R>, out: &mut [R]) {
        self.with_gradient(v, |g| match g {
            Some(g) => out.copy_from_slice(g),
            None => {
                assert_eq!(out.len(), v.shape().elements(), "room for a gradient");
                out.fill(R::default());
            }
        });
    }

    /// Calls `f` with the gradient with respect to `v`, `None` standing for zeros.
    pub fn with_gradient<T>(&self, v: Var<'_, R>, f: impl FnOnce(Option<&[R]>) -> T) -> T {
        assert!(core::ptr::eq(self, v.tape), "the variable belongs to another tape");
        let arena = self.arena.borrow();
        let node = &arena.nodes[v.index];
        let range = node.adjoint.map(|at| at..at + node.shape.elements());
        f(range.and_then(|range| arena.adjoints.get(range)))
    }

    /// The kinds of operations recorded so far, in order.
    pub fn operations(&self) -> Vec<Operation> {
        self.arena.borrow().nodes.iter().filter_map(|node| node.op.operation()).collect()
    }
}

impl<R: Real> Default for Tape<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R> fmt::Debug for Tape<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arena = self.arena.borrow();
        f.debug_struct("Tape")
            .field("nodes", &arena.nodes.len())
            .field("values", &arena.values.len())
            .finish()
    }
}

/// What an operation reads while its value is computed.
pub(crate) struct Inputs<'a, R> {
    nodes: &'a [Node],
    values: &'a [R],
    indices: &'a [usize],
    inputs: [usize; 2],
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
