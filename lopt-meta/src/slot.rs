//! A slot: one problem type, a group of instances side by side, and their run so far.
//!
//! Everything random about a run comes from `stream(seed, [slot, draw, ...])`, so a checkpoint
//! holds only counters and the numeric state.

use crate::checkpoint::SlotState;
use crate::config::Recipe;
use crate::objective::Objective;
use crate::precision::Precision;
use lopt_core::network::Network;
use lopt_core::plan::{Lanes, Plan};
use lopt_core::rng::{Rng, below, normal, stream, uniform, unit};
use lopt_core::simd::Buffer;
use lopt_core::simd::Element;
use lopt_core::state::State;
use lopt_core::{HierarchicalRnnConfig, Layout};
use lopt_problems::{AnyProblem, Array, BatchStream, Entry, Instance};
use std::sync::Arc;

/// Purposes of random streams.
mod purpose {
    pub(super) const PROBLEM: u64 = 1;
    pub(super) const LANE: u64 = 2;
    pub(super) const BATCHES: u64 = 3;
    pub(super) const UNROLL: u64 = 4;
    pub(super) const STEP: u64 = 5;
}

/// One group of instances of one problem.
#[derive(Debug)]
pub struct Slot<P: Precision> {
    /// Which slot.
    pub id: u64,
    /// Which run of this slot.
    pub draw: u64,
    /// Inner steps done in this run.
    pub steps: u64,
    /// Steps after which the run ends.
    pub life: u64,
    /// Value of `steps` at which each lane's run began.
    pub began: Vec<u64>,
    /// The problem.
    pub problem: Arc<dyn AnyProblem>,
    /// Its layout.
    pub layout: Layout,
    /// Its geometry.
    pub plan: Plan,
    /// Parameters, flat `[P][lane]`.
    pub theta: Buffer<P::E>,
    /// Attended point, flat; empty without attention.
    pub phi: Buffer<P::E>,
    /// Mean of the unroll's parameters, flat; empty if the meta-loss is that of the iterates.
    pub mean: Buffer<P::E>,
    /// State of the optimizer.
    pub state: State<P::E>,
    /// `1 / k` per lane.
    pub inverse: Vec<P::E>,
    /// Parameter noise per lane, times `k`.
    pub noise: Vec<P::E>,
    /// Loss at the start of each lane's run; NaN until the first evaluation.
    pub first_loss: Vec<f64>,
    /// Lanes that are at the start of a run.
    pub fresh: Vec<bool>,
    /// The evaluator.
    pub objective: Objective<P>,
    /// Whether losses are those of whole data sets.
    pub full_batch: bool,
    instances: Vec<Instance>,
    batches: Vec<BatchStream>,
    batches_taken: u64,
    progress: f64,
    seed: u64,
}

impl<P: Precision> Slot<P> {
    /// Starts run number `draw` of slot `id`. `progress`: how far meta-training is, 0 to 1.
    #[must_use]
    pub fn start(
        recipe: &Recipe,
        entries: &[Entry],
        net: &Network<P::E>,
        id: u64,
        draw: u64,
        progress: f64,
    ) -> Self {
        let mut rng = stream(recipe.seed, &[id, draw, purpose::PROBLEM]);
        let entry = &entries[below(&mut rng, entries.len())];
        let problem = entry.problem.clone();
        let layout = problem.layout();
        let plan = Plan::new(&layout, Lanes::Instances, P::LANES);
        let mean = recipe.lengths.mean_life(id, progress);
        let mut life = 1.0 - mean * (1.0 - unit(&mut rng)).ln();
        if draw == 0 {
            // first lives are cut at random points so that later ones are staggered
            life *= unit(&mut rng);
        }
        let scalars = layout.len() * P::LANES;
        let zero = P::E::from_f64(0.0);
        let lane_rng = |lane: usize| stream(recipe.seed, &[id, draw, purpose::LANE, lane as u64]);
        let mut rngs: Vec<Rng> = (0..P::LANES).map(lane_rng).collect();
        let instances: Vec<Instance> = rngs.iter_mut().map(|r| problem.instance(r)).collect();
        let arrays: Vec<_> = instances.iter().map(|i| i.constants.clone()).collect();
        // without rows the batch is everything, and one evaluation does
        let full_batch = recipe.problems.full_batch && instances[0].dataset.is_some();
        let whole = full_batch
            .then(|| -> Vec<_> { instances.iter().map(|i| problem.batch(i, None)).collect() });
        let objective = Objective::new(problem.clone(), &arrays, whole.as_deref());
        let batch_stream = |(lane, instance): (usize, &Instance)| {
            let rows = instance.dataset.as_ref()?.len();
            let rng = stream(recipe.seed, &[id, draw, purpose::BATCHES, lane as u64]);
            Some(BatchStream::new(rows, problem.batch_size()?, rng))
        };
        let batches = instances.iter().enumerate().filter_map(batch_stream).collect();
        let mut slot = Self {
            id,
            draw,
            steps: 0,
            life: life as u64 + 1,
            began: vec![0; P::LANES],
            theta: Buffer::zeros(scalars),
            phi: Buffer::zeros(if net.config.attention { scalars } else { 0 }),
            mean: Buffer::zeros(if recipe.meta_loss.averaging > 0.0 { scalars } else { 0 }),
            state: State::new(net, &plan),
            inverse: vec![P::E::from_f64(1.0); P::LANES],
            noise: vec![zero; P::LANES],
            first_loss: vec![f64::NAN; P::LANES],
            fresh: vec![true; P::LANES],
            objective,
            full_batch,
            instances,
            batches,
            batches_taken: 0,
            progress,
            problem,
            layout,
            plan,
            seed: recipe.seed,
        };
        let mut log_rates = vec![zero; scalars];
        for (lane, rng) in rngs.iter_mut().enumerate() {
            slot.start_lane(recipe, lane, rng, &mut log_rates);
        }
        slot.state.reset(net, &slot.plan, &log_rates, |_| true);
        slot
    }

    /// Draws scale, noise, starting point and initial rates of one lane.
    fn start_lane(&mut self, recipe: &Recipe, lane: usize, rng: &mut Rng, log_rates: &mut [P::E]) {
        let perturb = &recipe.perturb;
        let log_uniform =
            |rng: &mut Rng, (low, high): (f64, f64)| uniform(rng, low.ln(), high.ln()).exp();
        let rescaled = unit(rng) < perturb.rescale_probability;
        let k = if rescaled { log_uniform(rng, perturb.rescale) } else { 1.0 };
        let noised = unit(rng) < perturb.noise_probability;
        let noise = if noised { k * log_uniform(rng, perturb.noise) } else { 0.0 };
        self.inverse[lane] = P::E::from_f64(1.0 / k);
        self.noise[lane] = P::E::from_f64(noise);
        let init = self.problem.init(&self.instances[lane], rng);
        for (i, &x) in init.iter().enumerate() {
            self.theta[i * P::LANES + lane] = P::E::from_f64(k * f64::from(x));
        }
        let base = log_uniform(rng, perturb.initial_rate).ln();
        for t in 0..self.layout.tensor_count() {
            let of_tensor = base + perturb.rate_spread * normal(rng);
            for i in self.layout.range(t) {
                let rate = of_tensor + perturb.rate_spread * normal(rng);
                log_rates[i * P::LANES + lane] = P::E::from_f64(rate);
            }
        }
        if !self.phi.is_empty() {
            for i in 0..init.len() {
                self.phi[i * P::LANES + lane] = self.theta[i * P::LANES + lane];
            }
        }
        self.first_loss[lane] = f64::NAN;
        self.fresh[lane] = true;
        self.began[lane] = self.steps;
    }

    /// Starts one lane's run again from a new point: after it diverged.
    pub fn restart_lane(&mut self, recipe: &Recipe, net: &Network<P::E>, lane: usize) {
        let path = [self.id, self.draw, purpose::LANE, lane as u64, self.steps];
        let mut rng = stream(recipe.seed, &path);
        let mut log_rates = vec![P::E::from_f64(0.0); self.theta.len()];
        self.start_lane(recipe, lane, &mut rng, &mut log_rates);
        self.state.reset(net, &self.plan, &log_rates, |l| l == lane);
    }

    /// Length of the next unroll.
    #[must_use]
    pub fn unroll_length(&self, recipe: &Recipe) -> usize {
        let mut rng = stream(recipe.seed, &[self.id, self.draw, purpose::UNROLL, self.steps]);
        recipe.lengths.unroll(unit(&mut rng))
    }

    /// Log pace, log of the largest step, and clock of every lane, `n` steps from here.
    #[must_use]
    pub fn paces(&self, config: &HierarchicalRnnConfig, n: usize) -> [Vec<P::E>; 3] {
        let at = |value: &dyn Fn(u64) -> f64| {
            let ages = self.began.iter().map(|&began| self.steps + n as u64 - began);
            ages.map(|age| P::E::from_f64(value(age))).collect()
        };
        [
            at(&|age| config.log_pace(age)),
            at(&|age| config.log_largest(age)),
            at(&|age| config.clock_reading(age)),
        ]
    }

    /// Random numbers of one inner step.
    #[must_use]
    pub fn step_rng(&self, step: u64) -> Rng {
        stream(self.seed, &[self.id, self.draw, purpose::STEP, step])
    }

    /// Rows of the next batch of every lane; empty without data.
    pub fn next_rows(&mut self) -> Vec<Vec<usize>> {
        self.batches_taken += 1;
        self.batches.iter_mut().map(|b| b.next_rows().to_vec()).collect()
    }

    /// The batches of these rows, one list of arrays per lane.
    #[must_use]
    pub fn batch(&self, rows: &[Vec<usize>]) -> Vec<Vec<Array>> {
        if rows.is_empty() {
            return vec![Vec::new(); P::LANES];
        }
        let lanes = self.instances.iter().zip(rows);
        lanes.map(|(instance, rows)| self.problem.batch(instance, Some(rows))).collect()
    }

    /// What a checkpoint needs of this slot.
    #[must_use]
    pub fn save(&self) -> SlotState
    where
        P: Precision<E = f32>,
    {
        SlotState {
            draw: self.draw,
            steps: self.steps,
            life: self.life,
            began: self.began.clone(),
            batches: self.batches_taken,
            progress: self.progress,
            floats: [
                self.theta.to_vec(),
                self.phi.to_vec(),
                self.inverse.clone(),
                self.noise.clone(),
            ],
            state: self.state.buffers().map(<[f32]>::to_vec),
            first_loss: self.first_loss.clone(),
            fresh: self.fresh.clone(),
        }
    }

    /// Goes on from a checkpoint; `None` if it does not fit.
    #[must_use]
    pub fn restore(
        recipe: &Recipe,
        entries: &[Entry],
        net: &Network<P::E>,
        id: u64,
        saved: &SlotState,
    ) -> Option<Self>
    where
        P: Precision<E = f32>,
    {
        let mut slot = Self::start(recipe, entries, net, id, saved.draw, saved.progress);
        let [theta, phi, inverse, noise] = &saved.floats;
        let fits = theta.len() == slot.theta.len()
            && phi.len() == slot.phi.len()
            && [inverse.len(), noise.len(), saved.first_loss.len(), saved.fresh.len()]
                == [P::LANES; 4]
            && saved.began.len() == P::LANES
            && saved.began.iter().all(|&began| began <= saved.steps);
        if !fits || !slot.state.load([0, 1, 2, 3].map(|i| &saved.state[i][..])) {
            return None;
        }
        slot.theta.copy_from_slice(theta);
        slot.phi.copy_from_slice(phi);
        slot.inverse.clone_from(inverse);
        slot.noise.clone_from(noise);
        slot.first_loss.clone_from(&saved.first_loss);
        slot.fresh.clone_from(&saved.fresh);
        slot.steps = saved.steps;
        slot.life = saved.life;
        slot.began.clone_from(&saved.began);
        for _ in 0..saved.batches {
            slot.next_rows();
        }
        Some(slot)
    }
}
