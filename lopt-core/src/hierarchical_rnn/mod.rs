//! The hierarchical RNN as an optimizer: one big model, lanes are neighbouring parameters.

// what is public in these has its path in `lib.rs`; the stages are public for their adjoints in lopt-meta only
pub(crate) mod memory;
pub(crate) mod psi;
#[doc(hidden)]
pub(crate) mod stages;
pub(crate) mod whole_step;

use crate::files::weights::{Weights, WeightsError};
use crate::layout::Layout;
use crate::optimizer::{Optimizer, StepError, check_finite, check_lengths, check_norms};
use crate::rng::{stream, uniform};
use crate::simd::{Element, Level, Portable, Simd, TILE};
use crate::tensor_step::TensorStep;
use memory::compact::CompactTiles;
use memory::state::{State, Work};
use psi::config::HierarchicalRnnConfig;
use psi::network::Network;
use std::fmt;
use whole_step::cohorts::{Cohorts, OtherGlobals};
use whole_step::plan::{Lanes, Plan};
use whole_step::record::KeptView;
use whole_step::tile_pass::out_count;

/// How [`HierarchicalRnn::from_weights`] averages iterates: the best of 3, 8 and 20 on the
/// validation suite of `lopt-problems`.
pub const AVERAGING_ETA: f32 = 8.0;

/// A learned optimizer for one model.
///
/// The gradient is to be taken at [`attended`](Optimizer::attended); `step` leaves the true
/// parameters in `params`. After the first step nothing is allocated, and neither the number of
/// threads nor repetition changes a bit.
///
/// ```
/// use lopt_core::{HierarchicalRnn, Layout, Optimizer};
/// let layout = Layout::single(2)?;
/// let mut optimizer = HierarchicalRnn::pretrained(&layout)?;
/// let mut x = vec![2.0_f32, -1.0];
/// for _ in 0..300 {
///     let at = optimizer.attended(&x).to_vec();
///     optimizer.step(&mut x, &[at[0], 10.0 * at[1]])?;
/// }
/// assert!(x.iter().all(|v| v.abs() < 0.5), "{x:?}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HierarchicalRnn {
    layout: Layout,
    level: Level,
    network: Network<f32>,
    plan: Plan,
    state: State<f32>,
    work: Work<f32>,
    attended: Vec<f32>,
    /// With averaging: where the network's own theta is; `params` then hold its average.
    inner: Vec<f32>,
    averaging: Option<f32>,
    log_rates: Vec<f32>,
    steps: u64,
    cohorts: Cohorts,
    other_globals: OtherGlobals<f32>,
    /// How tensors take part in the step of one cohort.
    own: Vec<TensorStep<f32>>,
}

impl HierarchicalRnn {
    /// The weights `hierarchical-rnn` inside this crate, for a model of this layout.
    ///
    /// # Errors
    ///
    /// If the embedded weights are damaged.
    pub fn pretrained(layout: &Layout) -> Result<Self, WeightsError> {
        Self::from_weights(&Weights::embedded("hierarchical-rnn")?, layout)
    }

    /// Weights of your own, with iterates averaged as [`AVERAGING_ETA`] says.
    ///
    /// # Errors
    ///
    /// If the weights are of another optimizer.
    pub fn from_weights(weights: &Weights, layout: &Layout) -> Result<Self, WeightsError> {
        let config = weights.hierarchical_rnn()?;
        let optimizer = Self::new(&config, &weights.psi_f64(), layout, Level::detect());
        Ok(optimizer.with_averaging(AVERAGING_ETA))
    }

    /// Any configuration and meta-parameters, on a given SIMD level, without averaging. Initial rates are drawn from
    /// the configuration's range with seed 0.
    ///
    /// # Panics
    ///
    /// If `psi` does not fit the configuration.
    #[must_use]
    pub fn new(config: &HierarchicalRnnConfig, psi: &[f64], layout: &Layout, level: Level) -> Self {
        let network = Network::<f32>::new(config, psi);
        let plan = Plan::new(layout, Lanes::Parameters, Portable::LANES);
        let threads = rayon::current_num_threads();
        let log_rates: Vec<f32> = draw_log_rates(config, layout, 0);
        Self {
            layout: layout.clone(),
            level,
            state: State::new(&network, &plan),
            work: Work::new(&network, &plan, threads),
            attended: vec![0.0; if config.attention { layout.len() } else { 0 }],
            inner: Vec::new(),
            averaging: None,
            log_rates,
            network,
            plan,
            steps: 0,
            cohorts: Cohorts::one(layout.tensor_count()),
            other_globals: OtherGlobals::none(config.global_hidden),
            own: Vec::with_capacity(layout.tensor_count()),
        }
    }

    /// Sets the initial learning rate of every parameter (the default comes from the weights).
    /// Takes effect as a [`reset`](Optimizer::reset).
    ///
    /// # Panics
    ///
    /// If the rate is not a positive number.
    #[must_use]
    pub fn with_initial_rate(mut self, rate: f32) -> Self {
        assert!(rate > 0.0 && rate.is_finite(), "expected a positive initial rate, got {rate}");
        self.log_rates.fill(rate.ln());
        self.reset();
        self
    }

    /// Gives back a running average of the iterates rather than the last one, and takes gradients
    /// at the iterates: polynomial-decay averaging (Shamir & Zhang 2013), in which step `n` of a tensor
    /// has the weight `(eta + 1) / (n + eta)`, so that about the last `n / (eta + 1)` iterates count.
    /// It takes away the noise that steps of finite length leave. Resets.
    ///
    /// # Panics
    ///
    /// If `eta` is negative or not finite.
    #[must_use]
    pub fn with_averaging(mut self, eta: f32) -> Self {
        assert!(eta >= 0.0 && eta.is_finite(), "expected an eta of at least 0, got {eta}");
        self.averaging = Some(eta);
        self.inner = vec![0.0; self.layout.len()];
        if self.steps > 0 {
            self.reset();
        }
        self
    }

    /// Keeps the state in under half of the memory, 42 bytes per parameter rather than 88 with the
    /// embedded weights: hidden vectors, averages and mean squares in 16 bits, rounded up or down by
    /// a hash of step and parameter, so that averages do not stall and every run is the same;
    /// decays computed anew. Resets. `docs/performance.md` says what it does to speed and quality.
    ///
    /// ```
    /// # use lopt_core::{HierarchicalRnn, Layout};
    /// let layout = Layout::single(1_000_000)?;
    /// let optimizer = HierarchicalRnn::pretrained(&layout)?.with_compact_state();
    /// assert!(optimizer.state_bytes() < 48 * layout.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_compact_state(mut self) -> Self {
        let (network, plan) = (&self.network, &self.plan);
        self.state.make_compact(|| CompactTiles::new(network, plan));
        self.reset();
        self
    }

    /// Sets the initial log rate of every parameter, `[P]`, and resets.
    ///
    /// # Panics
    ///
    /// If there is not one per parameter, or one is not finite.
    #[must_use]
    pub fn with_initial_log_rates(mut self, log_rates: &[f32]) -> Self {
        assert!(log_rates.iter().all(|rate| rate.is_finite()), "expected finite log rates");
        self.log_rates.copy_from_slice(log_rates);
        self.reset();
        self
    }

    /// Configuration in use.
    #[must_use]
    pub fn config(&self) -> &HierarchicalRnnConfig {
        &self.network.config
    }

    /// Steps since the last reset, those that no tensor took part in not counted.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Steps since the last reset that each tensor took part in, `[T]`.
    #[must_use]
    pub fn own_steps(&self) -> Vec<u64> {
        (0..self.layout.tensor_count()).map(|t| self.cohorts.steps_of(t)).collect()
    }

    /// What the recurrent networks remember from step to step; it begins to hold something at the first
    /// step, before which it takes up no memory.
    #[must_use]
    pub fn state(&self) -> &State<f32> {
        &self.state
    }

    /// Bytes of what the recurrent networks remember from step to step, of all parameters and
    /// tensors. Not in it: points (4 bytes per parameter for averaging, 4 for attention), initial
    /// log rates for [`reset`](Optimizer::reset) (4), and what a step keeps between its two passes
    /// (8, or 12 with attention).
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.state.bytes()
    }

    /// Current log rate `etabar` of every parameter, `[P]`.
    #[must_use]
    pub fn log_rates(&self) -> Vec<f32> {
        if self.steps == 0 {
            return self.log_rates.clone();
        }
        let fields = self.network.fields();
        let row = TILE * Portable::LANES;
        let mut out = vec![0.0; self.layout.len()];
        for span in self.plan.jobs.iter().flat_map(|job| self.plan.spans(job)) {
            let tile = match &self.state.compact {
                Some(compact) => &compact.log_rates()[span.tile * row..],
                None => &self.state.tiles[(span.tile * fields.count() + fields.narrow()) * row..],
            };
            let count = span.scalars.len();
            out[span.scalars].copy_from_slice(&tile[..count]);
        }
        out
    }
}

/// Initial log rates: half of the log per element, half per tensor, as in the published code.
#[must_use]
pub fn draw_log_rates<E: Element>(
    config: &HierarchicalRnnConfig,
    layout: &Layout,
    seed: u64,
) -> Vec<E> {
    let (low, high) = config.initial_rate;
    let (low, high) = (low.ln() / 2.0, high.ln() / 2.0);
    if low >= high {
        return vec![E::from_f64(low + low); layout.len()];
    }
    let mut rng = stream(seed, &[0x7a7e]);
    let mut draw = || uniform(&mut rng, low, high);
    let mut rates = Vec::with_capacity(layout.len());
    for t in 0..layout.tensor_count() {
        let of_tensor = draw();
        rates.extend(layout.range(t).map(|_| E::from_f64(of_tensor + draw())));
    }
    rates
}

impl Optimizer for HierarchicalRnn {
    fn name(&self) -> &str {
        "lopt"
    }

    fn attended<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        let point = if self.attended.is_empty() { &self.inner } else { &self.attended };
        if self.steps == 0 || point.is_empty() { params } else { point }
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError> {
        check_lengths(&self.layout, params, grads)?;
        check_finite(&self.layout, grads)?;
        check_norms(&self.layout, grads, |_| true)?;
        self.advance(params, grads, &[]);
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        let points = self.inner.len() + self.attended.len() + self.log_rates.len();
        self.state.bytes() + (points + self.other_globals.values().len()) * size_of::<f32>()
    }

    fn reset(&mut self) {
        // the first step makes the state a beginning
        self.steps = 0;
        self.cohorts = Cohorts::one(self.layout.tensor_count());
        self.other_globals = OtherGlobals::none(self.network.config.global_hidden);
    }
}

/// Short: the state would be megabytes.
impl fmt::Debug for HierarchicalRnn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layout.describe("HierarchicalRnn", self.steps, f)
    }
}

impl HierarchicalRnn {
    /// Factor of the learned step lengths in the next step of a tensor, from
    /// [`log_pace`](HierarchicalRnnConfig::log_pace).
    pub(crate) fn pace(&self, tensor: usize) -> f32 {
        let (config, steps) = (&self.network.config, self.cohorts.steps_of(tensor));
        if config.dynamic_output_scale { config.log_pace(steps).exp() as f32 } else { 1.0 }
    }

    /// The network's own theta of a tensor: that of `params`, or with averaging what it is an average
    /// of.
    pub(crate) fn iterate_mut<'a>(
        &'a mut self,
        params: &'a mut [f32],
        tensor: usize,
    ) -> &'a mut [f32] {
        let averaged = self.averaging.is_some() && self.cohorts.steps_of(tensor) > 0;
        let theta: &mut [f32] = if averaged { &mut self.inner } else { params };
        &mut theta[self.layout.range(tensor)]
    }

    /// Root mean square of the last step that every tensor took, `[T]`, in units of the parameters;
    /// zeros before the first step and after a load. Computed on demand, from what steps left behind.
    #[must_use]
    pub fn step_sizes(&self) -> Vec<f32> {
        let (outs, row) = (out_count(&self.network), TILE * Portable::LANES);
        let KeptView { out, inverse, fade } = KeptView::new(&self.work.kept, &self.work.kept_shape);
        let w = &self.network.update;
        let mut squares = vec![0.0_f64; self.layout.tensor_count()];
        for job in &self.plan.jobs {
            let at = 2 * job.tensor * Portable::LANES;
            let length = f64::from(inverse[at]) * f64::from(fade[at]);
            let last = self.cohorts.steps_of(job.tensor).saturating_sub(1);
            let offset = w.offset + self.network.config.log_pace(last) as f32;
            for span in self.plan.spans(job) {
                let tile = &out[span.tile * outs * row..(span.tile + 1) * outs * row];
                let (d, l) = (&tile[..row], &tile[(outs - 1) * row..]);
                for (d, l) in d.iter().zip(l).take(span.scalars.len()) {
                    let rate = if w.learned_rate { f64::from(l + offset).exp() } else { 1.0 };
                    squares[job.tensor] += (rate * length * f64::from(*d)).powi(2);
                }
            }
        }
        let tensors = self.plan.tensors.iter().zip(squares);
        tensors.map(|(tensor, square)| (square / tensor.elements).sqrt() as f32).collect()
    }

    /// How iterates are averaged.
    #[must_use]
    pub fn averaging(&self) -> Option<f32> {
        self.averaging
    }

    /// The model's tensors.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}
