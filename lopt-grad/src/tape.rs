//! The tape: an arena that records operations and sweeps back over them.

use core::cell::RefCell;
use core::fmt;

use crate::arena::{Arena, Inputs, Mark, NONE, Node};
use crate::kernel::Still;
use crate::ops::{Op, Operation};
use crate::real::Real;
use crate::shape::Shape;
use crate::var::Var;

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
        Self { arena: RefCell::new(Arena::default()) }
    }

    /// Forgets everything recorded, up to what is [frozen](Self::freeze), and keeps the memory.
    pub fn clear(&mut self) {
        self.arena.get_mut().clear();
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
        arena.frozen = arena.mark();
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
        let (values, out) = arena.values[..arena.used].split_at_mut(arena.nodes[index].start);
        let inputs = Inputs { nodes: &arena.nodes, values, indices: &arena.indices, inputs };
        write(inputs, &mut arena.scratch, out);
        Var { tape: self, index }
    }

    /// Which of two operands has no tangent.
    pub(crate) fn still(&self, inputs: [usize; 2]) -> Still {
        self.arena.borrow().still(inputs)
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
        let shape = loss.shape();
        assert_eq!(shape.elements(), 1, "a loss has one element, not shape {shape:?}");
        self.arena.borrow_mut().sweep_back(loss.index);
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
    ///
    /// # Panics
    ///
    /// If `v` belongs to another tape.
    pub fn with_gradient<T>(&self, v: Var<'_, R>, f: impl FnOnce(Option<&[R]>) -> T) -> T {
        assert!(core::ptr::eq(self, v.tape), "the variable belongs to another tape");
        let arena = self.arena.borrow();
        let node = &arena.nodes[v.index];
        let reached = arena.reached.get(v.index).is_some_and(|&reached| reached);
        let at = node.adjoint.filter(|_| reached);
        f(at.map(|at| &arena.adjoints[at..at + node.shape.elements()]))
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
            .field("values", &arena.used)
            .finish()
    }
}
