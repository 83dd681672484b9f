//! Language models on a fixed text: what characters come next.
//!
//! The text is this project's own: its documents, then as many characters of its source code. A model
//! sees one half only. The last tenth of a half is for validation.

use std::fmt::Debug;
use std::iter;
use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_core::rng::{Rng, below};
use lopt_grad::{Real, Var};

use super::random::{Purpose, random};
use super::{Graph, Job, JobStart, mean_gradient};
use crate::curvature::Curvature;
use crate::trial::{Objective, Validation};

/// A text of ASCII to train language models on: documents and source code of this project.
// never to be changed, as every recorded result depends on it
pub const TEXT: &str = include_str!("text.txt");

/// Size of the vocabulary: the line feed, and the printable characters of ASCII in their order.
pub(super) const CHARACTERS: usize = 96;

/// Characters that a model of the field suite sees of a window.
pub(super) const CONTEXT: usize = 64;

/// Windows of a training batch of the field suite.
const BATCH: usize = 16;

/// Windows of the validation part, and how many of them are computed at once.
pub(super) const VALIDATION: usize = 64;
const VALIDATION_BATCH: usize = 32;

/// One half of the text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Half {
    /// The documents.
    Prose,
    /// The source code.
    Code,
}

impl Half {
    pub(super) fn text(self) -> Text {
        let (prose, code) = TEXT.as_bytes().split_at(TEXT.len() / 2);
        let half = match self {
            Self::Prose => prose,
            Self::Code => code,
        };
        let number = |&byte: &u8| usize::from(byte.saturating_sub(b' ' - 1));
        let mut train: Vec<_> = half.iter().map(number).collect();
        let validation = train.split_off(half.len() / 10 * 9);
        Text { characters: CHARACTERS, train, validation }
    }
}

/// What a language model learns from and is validated on, as numbers of characters.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// Size of the vocabulary.
    pub(super) characters: usize,
    pub(super) train: Vec<usize>,
    /// More than [`VALIDATION`] windows.
    pub(super) validation: Vec<usize>,
}

/// Pieces of text of `length` characters, and for every character the one behind it.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    /// Characters, `(windows, length)`.
    pub(super) inputs: Vec<usize>,
    /// Successors, `(windows, length)`.
    pub(super) targets: Vec<usize>,
    /// Characters of a window.
    pub(super) length: usize,
}

impl Windows {
    /// The windows that begin at these places.
    pub(super) fn new(text: &[usize], length: usize, starts: impl Iterator<Item = usize>) -> Self {
        let mut windows = Self { inputs: Vec::new(), targets: Vec::new(), length };
        for start in starts {
            windows.inputs.extend_from_slice(&text[start..start + length]);
            windows.targets.extend_from_slice(&text[start + 1..=start + length]);
        }
        windows
    }
}

/// A network that predicts the next character.
pub(super) trait LanguageModel: Debug + Clone + Send + Sync + 'static {
    fn layout(&self) -> Layout;

    /// Draws a starting point, `[P]`.
    fn init(&self, rng: &mut Rng) -> Vec<f32>;

    /// Logits of the character behind each, of any shape with the vocabulary as its last extent.
    fn logits<'t, R: Real>(&self, params: &[Var<'t, R>], windows: &Windows) -> Var<'t, R>;

    /// Mean cross-entropy in nats per character.
    fn loss<'t, R: Real>(&self, params: &[Var<'t, R>], windows: &Windows) -> Var<'t, R> {
        let logarithms = self.logits(params, windows).log_softmax();
        let elements = logarithms.shape().elements();
        let characters = elements / windows.targets.len();
        let rows = windows.targets.iter().enumerate();
        let places: Vec<_> = rows.map(|(row, target)| row * characters + target).collect();
        -logarithms.reshape(&[elements, 1]).gather_rows(&places).mean()
    }
}

/// A language model on a text.
#[derive(Debug, Clone)]
pub(super) struct TextJob<M> {
    pub(super) name: &'static str,
    pub(super) text: Arc<Text>,
    /// Characters that the model sees of a window, and of which it predicts the successors.
    pub(super) context: usize,
    /// Windows of a training batch.
    pub(super) batch: usize,
    pub(super) model: M,
}

impl<M> TextJob<M> {
    /// A job of the field suite.
    pub(super) fn on(half: Half, name: &'static str, model: M) -> Self {
        Self { name, text: Arc::new(half.text()), context: CONTEXT, batch: BATCH, model }
    }

    /// Windows evenly spread over the validation part, none of which overlap.
    fn validation_windows(&self) -> Vec<Windows> {
        let validation = &self.text.validation;
        let apart = validation.len() / VALIDATION;
        let starts: Vec<_> = (0..VALIDATION).map(|window| window * apart).collect();
        let batches = starts.chunks(VALIDATION_BATCH);
        batches
            .map(|starts| Windows::new(validation, self.context, starts.iter().copied()))
            .collect()
    }
}

impl<M: LanguageModel> Job for TextJob<M> {
    fn layout(&self) -> Layout {
        self.model.layout()
    }

    /// The frequencies of the training part, every character counted once more than it occurs.
    fn guessing(&self) -> f64 {
        let mut counts = vec![1_usize; self.text.characters];
        for &character in &self.text.train {
            counts[character] += 1;
        }
        let all = counts.iter().sum::<usize>() as f64;
        let windows = self.validation_windows();
        let targets = || windows.iter().flat_map(|windows| &windows.targets);
        let sum: f64 = targets().map(|&target| (all / counts[target] as f64).ln()).sum();
        sum / targets().count() as f64
    }

    fn start(&self, seed: u64) -> JobStart {
        let objective = TextObjective {
            validation: self.validation_windows(),
            windows: Windows::new(&self.text.train, self.context, iter::empty()),
            rng: random(self.name, seed, Purpose::Batches),
            graph: Graph::new(self.model.layout()),
            job: self.clone(),
        };
        let params = self.model.init(&mut random(self.name, seed, Purpose::Initial));
        JobStart { params, objective: Box::new(objective) }
    }
}

struct TextObjective<M> {
    job: TextJob<M>,
    validation: Vec<Windows>,
    /// Of the batch.
    windows: Windows,
    rng: Rng,
    graph: Graph,
}

impl<M: LanguageModel> Objective for TextObjective<M> {
    fn next_batch(&mut self) {
        let TextJob { text, context, batch, .. } = &self.job;
        let places = text.train.len() - context;
        let starts = (0..*batch).map(|_| below(&mut self.rng, places));
        self.windows = Windows::new(&text.train, *context, starts);
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        let Self { job, windows, graph, .. } = self;
        graph.differentiate(at, gradient, |_, params| job.model.loss(params, windows))
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        let Self { job, windows, graph, .. } = self;
        graph.evaluate(params, |_, params| job.model.loss(params, windows).item())
    }

    fn curvature(&self) -> Option<Curvature> {
        let (model, windows) = (self.job.model.clone(), self.windows.clone());
        Some(Curvature::new(model.layout(), move |_, params| model.loss(params, &windows)))
    }

    fn validation_gradient(&mut self, params: &[f32], gradient: &mut [f32]) -> Option<f64> {
        let Self { job, validation, graph, .. } = self;
        let parts = validation.iter().map(|windows| (1, windows));
        Some(mean_gradient(gradient, parts, |windows, gradient| {
            graph.differentiate(params, gradient, |_, params| job.model.loss(params, windows))
        }))
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let mut sum = 0.0;
        for windows in &self.validation {
            let model = &self.job.model;
            let loss = self.graph.evaluate(params, |_, params| model.loss(params, windows).item());
            sum += f64::from(loss);
        }
        Some(Validation { loss: sum / self.validation.len() as f64, accuracy: None })
    }
}

/// What must hold for every job here; called by the tests of the models.
#[cfg(test)]
pub(super) mod checks {
    use lopt_baselines::Adam;
    use lopt_core::rng::{normal, stream};
    use lopt_grad::check::gradient_error;
    use lopt_grad::{ScalarFn, Tape, gradient};

    use super::*;
    use crate::field::FieldTask;
    use crate::trial::{Outcome, Probe, train};

    struct Loss<'a, M>(&'a M, &'a Windows);

    impl<M: LanguageModel> ScalarFn for Loss<'_, M> {
        fn eval<'t, R: Real>(&self, _: &'t Tape<R>, x: &[Var<'t, R>]) -> Var<'t, R> {
            self.0.loss(x, self.1)
        }
    }

    /// The gradient of a tiny model is that of finite differences, and no tensor is without effect.
    pub(in crate::field) fn gradient_is_right(model: &impl LanguageModel, length: usize) {
        let windows = Windows::new(&Half::Code.text().train, length, [0, 100].into_iter());
        let layout = model.layout();
        let shapes: Vec<&[usize]> = layout.tensors().iter().map(|t| &*t.shape).collect();
        let mut rng = stream(1, &[]);
        let x: Vec<f64> = (0..layout.len()).map(|_| 0.5 * normal(&mut rng)).collect();
        let loss = Loss(model, &windows);
        let error = gradient_error(&loss, &shapes, &x, 1e-5);
        assert!(error < 1e-8, "off by {error:e}");
        let (_, gradient) = gradient(&loss, &shapes, &x);
        for (tensor, range) in layout.tensors().iter().zip(layout.ranges()) {
            let largest = gradient[range].iter().fold(0.0_f64, |m, g| m.max(g.abs()));
            assert!(largest > 1e-3, "{}: {largest:e}", tensor.name);
        }
    }

    /// Logits depend on the characters up to their own, and on no later one.
    pub(in crate::field) fn later_characters_are_hidden(model: &impl LanguageModel, length: usize) {
        let params = model.init(&mut stream(2, &[]));
        let logits = |text: &[usize]| {
            let windows = Windows::new(text, length, [0].into_iter());
            let read = |params: &[Var<'_, f32>]| model.logits(params, &windows).value();
            Graph::new(model.layout()).evaluate(&params, |_, params| read(params))
        };
        let mut text = Half::Prose.text().train[..=length].to_vec();
        let before = logits(&text);
        let changed = length / 2;
        text[changed] = (text[changed] + 1) % CHARACTERS;
        let after = logits(&text);
        let rows = before.chunks_exact(CHARACTERS).zip(after.chunks_exact(CHARACTERS));
        for (row, (before, after)) in rows.enumerate() {
            assert_eq!(before == after, row < changed, "row {row} of {length}");
        }
    }

    struct Unwatched;
    impl Probe for Unwatched {}

    /// A run starts from even chances, repeats bit by bit, and Adam makes it better.
    pub(in crate::field) fn starts_and_learns(task: &FieldTask, learning_rate: f64) {
        let guessing = task.job.guessing();
        assert!(2.5 < guessing && guessing < 4.0, "{guessing}");
        let first = |seed| {
            let JobStart { params, mut objective } = task.job.start(seed);
            let mut gradient = vec![0.0; params.len()];
            objective.next_batch();
            let loss = objective.loss_and_gradient(&params, &mut gradient);
            assert_eq!(loss, objective.batch_loss(&params));
            (params, gradient, loss)
        };
        let start = first(7);
        assert!(start == first(7) && start.0 != first(8).0 && start.1 != first(8).1);
        assert!((f64::from(start.2) - (CHARACTERS as f64).ln()).abs() < 0.2, "{}", start.2);

        let JobStart { mut params, mut objective } = task.job.start(7);
        let before = objective.validate(&params).unwrap();
        assert!(before.accuracy.is_none() && before.loss > guessing, "{before:?}");
        let mut adam = Adam::new(&task.job.layout(), learning_rate);
        let outcome = train(&mut *objective, &mut adam, &mut params, 40, &mut Unwatched);
        assert_eq!(outcome, Outcome::Finished);
        let after = objective.validate(&params).unwrap();
        assert!(after.loss < guessing, "{after:?}, guessing {guessing}");
    }

    #[test]
    fn the_text_is_what_it_was() {
        assert!(TEXT.len().is_multiple_of(2) && TEXT.len() <= 300_000);
        assert!(TEXT.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
        let sum = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let digest = TEXT.bytes().fold(0xcbf2_9ce4_8422_2325, sum);
        assert_eq!(digest, 0x5524_3859_4b64_653d, "the text was changed");
        for half in [Half::Prose, Half::Code] {
            let Text { train, validation, .. } = half.text();
            assert_eq!(train.len() + validation.len(), TEXT.len() / 2);
            assert!(train.iter().chain(&validation).all(|&number| number < CHARACTERS));
            let apart = validation.len() / VALIDATION;
            assert!(apart > CONTEXT, "windows overlap");
        }
    }
}
