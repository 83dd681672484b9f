//! The state that the reference carries from step to step.

/// State of one parameter. The last group only shows how the step that led here was made.
#[derive(Clone, Debug)]
pub(crate) struct Element<N> {
    pub(crate) theta: N,
    /// `phi`, where the next gradient is taken.
    pub(crate) attended: N,
    /// `h_P`.
    pub(crate) hidden: Vec<N>,
    /// `etabar`, the running mean of the log rate.
    pub(crate) log_rate: N,
    /// `a` and `b` for the next step, 0 before the first.
    pub(crate) gradient_decay: N,
    pub(crate) rms_decay: N,
    /// `gbar_s`.
    pub(crate) averages: Vec<N>,
    /// `lambda_s`; with previous-scale normalisation `lambda_{-1}` in front.
    pub(crate) mean_squares: Vec<N>,

    /// `x`.
    pub(crate) inputs: Vec<N>,
    /// `d_theta` and `d_phi`, normalised.
    pub(crate) direction: N,
    pub(crate) attended_direction: N,
    /// `l`.
    pub(crate) clipped_log_rate: N,
}

/// State of one tensor.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<N> {
    pub(crate) elements: Vec<Element<N>>,
    /// `h_T`.
    pub(crate) hidden: Vec<N>,
}

/// State of a whole problem.
#[derive(Clone, Debug)]
pub(crate) struct State<N> {
    pub(crate) tensors: Vec<Tensor<N>>,
    /// `h_G`.
    pub(crate) global: Vec<N>,
    /// Steps so far.
    pub(crate) steps: u64,
}

impl<N: Copy> State<N> {
    /// All parameters in flat order.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element<N>> + Clone {
        self.tensors.iter().flat_map(|t| &t.elements)
    }

    pub(crate) fn theta(&self) -> Vec<N> {
        self.elements().map(|e| e.theta).collect()
    }

    pub(crate) fn attended(&self) -> Vec<N> {
        self.elements().map(|e| e.attended).collect()
    }

    /// The same state in another kind of number.
    pub(crate) fn map<M>(&self, convert: impl Fn(N) -> M) -> State<M> {
        let all = |list: &[N]| list.iter().map(|&x| convert(x)).collect::<Vec<M>>();
        let element = |e: &Element<N>| Element {
            theta: convert(e.theta),
            attended: convert(e.attended),
            hidden: all(&e.hidden),
            log_rate: convert(e.log_rate),
            gradient_decay: convert(e.gradient_decay),
            rms_decay: convert(e.rms_decay),
            averages: all(&e.averages),
            mean_squares: all(&e.mean_squares),
            inputs: all(&e.inputs),
            direction: convert(e.direction),
            attended_direction: convert(e.attended_direction),
            clipped_log_rate: convert(e.clipped_log_rate),
        };
        let tensor = |t: &Tensor<N>| Tensor {
            elements: t.elements.iter().map(element).collect(),
            hidden: all(&t.hidden),
        };
        State {
            tensors: self.tensors.iter().map(tensor).collect(),
            global: all(&self.global),
            steps: self.steps,
        }
    }
}
