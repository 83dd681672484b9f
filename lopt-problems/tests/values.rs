//! Losses against values worked out by hand, and against the published typical starts.

mod support;

use std::f64::consts::PI;
use std::sync::Arc;

use lopt_problems::{
    Activation, AnyProblem, Array, Bowl, Dataset, DependencyChain, EmbeddingRegression, Init,
    Instance, Literature, LogObjective, MinMaxWell, Mlp, OutwardSnake, Problem,
    ProjectionQuadratic, Quadratic, Rescale, Source, SumOfQuadratics,
};
use support::Draw;

fn draw(problem: impl Problem, instance: Instance) -> Draw {
    let problem: Arc<dyn AnyProblem> = Arc::new(problem);
    let batch = problem.batch(&instance, None);
    Draw { problem, instance, params: Vec::new(), batch }
}

fn plain(problem: impl Problem) -> Draw {
    draw(problem, Instance::default())
}

fn rows(features: [usize; 2], values: Vec<f32>, labels: Vec<usize>, classes: usize) -> Instance {
    let features = Array::new(features, values);
    Instance::with_dataset(Arc::new(Dataset { features, labels, classes }))
}

fn assert_close(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{got} is not {expected}");
}

#[test]
fn slow_problems() {
    assert_close(plain(DependencyChain::new(2)).loss(&[1.0, 2.0, 3.0]), 2.0 + 4.0 + 2.25);
    assert_close(plain(MinMaxWell::new(3)).loss(&[2.0, -0.5, 1.0]), 4.0 + 4.0 - 2.0);
    let data = || rows([2, 3], vec![1.0, 1.0, 0.0, 1.0, 1.0, 1.0], vec![], 0);
    let (x, y, z) = (3.0_f64, 1.0_f64, 2.0_f64);
    let (first, second) = (y - PI * x.cos(), z - PI * y.cos());
    let expected = 2.0 / 14.0_f64.sqrt() + 2.0 * first * first + second * second;
    assert_close(draw(OutwardSnake::new(3, 2, 2), data()).loss(&[x, y, z]), expected);
    let data = || rows([2, 2], vec![1.0, -2.0, 3.0, 0.5], vec![], 0);
    // (2 1)^2 + (3 2)^2 + (2 3)^2 + (3 0.5)^2
    let projection = draw(ProjectionQuadratic::new(2, 2, 2), data());
    assert_close(projection.loss(&[2.0, 3.0]), 4.0 + 36.0 + 36.0 + 2.25);
    // 2 (4 + 9) - 2 (2 4 + 3 (-1.5))
    let sum = draw(SumOfQuadratics::new(2, 2, 2), data());
    assert_close(sum.loss(&[2.0, 3.0]), 26.0 - 7.0);
}

#[test]
fn transformations() {
    let point = [3.0, -2.0];
    assert_close(plain(Bowl::new(5.0, 0.0)).loss(&point), 0.5 * (45.0 + 4.0));
    // Turned by 90 degrees: (x, y) becomes (-y, x).
    assert_close(plain(Bowl::new(5.0, 90.0)).loss(&point), 0.5 * (20.0 + 9.0));
    assert_close(plain(Rescale::new(Bowl::new(5.0, 0.0), 10.0)).loss(&[30.0, -20.0]), 24.5);
    let logarithm = plain(LogObjective::new(Bowl::new(5.0, 0.0))).loss(&point);
    assert_close(logarithm, (24.5_f64 + 1e-6).ln() - 1e-6_f64.ln());
}

/// Two rows, two features, no hidden layer: logits are the features plus the bias.
#[test]
fn cross_entropies() {
    let identity = [1.0, 0.0, 0.0, 1.0];
    let data = |labels| rows([2, 2], vec![0.3, 9.0, -2.0, 7.0], labels, 2);
    let softplus = |z: f64| z.exp().ln_1p();
    let classifier = || Mlp::softmax_regression(source(data(vec![1, 0])), 2);
    let params = [&identity[..], &[0.0, 0.0]].concat();
    // Column 0 speaks for label 1; the penalty is 1e-3 times the mean of 2 and 0.
    let expected = 0.5 * (softplus(-0.3) + softplus(-2.0)) + 1e-3;
    assert_close(draw(classifier(), data(vec![1, 0])).loss(&params), expected);
    let values: Vec<f32> = params.iter().map(|&x| x as f32).collect();
    let set = data(vec![1, 0]).dataset.expect("a data set");
    assert_eq!(classifier().accuracy(&values, &set), Some(1.0));

    let data = rows([1, 3], vec![1.0, 2.0, 4.0], vec![2], 3);
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    let plain = Mlp::softmax_regression(source(data.clone()), 1).starting_from(Init::He, 0.0);
    let expected = (1.0_f64.exp() + 2.0_f64.exp() + 4.0_f64.exp()).ln() - 4.0;
    assert_close(draw(plain, data).loss(&identity), expected);
}

fn source(instance: Instance) -> Source {
    Source::given(instance.dataset.expect("a data set"))
}

/// One hidden relu unit: `max(0, x w) v`, logit of label 1.
#[test]
fn a_hidden_layer() {
    let data = rows([2, 1], vec![2.0, -2.0], vec![1, 1], 2);
    let mlp = Mlp::new(&[1], Activation::Relu, source(data.clone()), 2);
    let network = draw(mlp.starting_from(Init::He, 0.0), data);
    let loss = network.loss(&[1.5, 0.0, 0.5, 0.0, 0.0, 0.0]);
    assert_close(loss, 0.5 * ((-1.5_f64).exp().ln_1p() + 2.0_f64.ln()));
}

#[test]
fn both_embeddings_are_one_problem() {
    let problems: [Arc<dyn AnyProblem>; 2] =
        [Arc::new(EmbeddingRegression::sparse()), Arc::new(EmbeddingRegression::one_hot())];
    let [sparse, one_hot] = problems.map(|problem| Draw::new(&problem, 8));
    assert_eq!(sparse.params, one_hot.params);
    assert_close(sparse.loss(&sparse.params), one_hot.loss(&one_hot.params));
}

/// Median losses at the start, within a factor 2 of those measured on the published problems.
#[test]
fn typical_starts() {
    for (function, median) in [
        (Literature::Rosenbrock, 2e4),
        (Literature::LogSumExp, 2.3),
        (Literature::Ackley, 21.0),
        (Literature::Beale, 2e2),
        (Literature::Booth, 2e2),
        (Literature::StyblinskiTang, 60.0),
        (Literature::Matyas, 11.0),
        (Literature::Branin, 37.0),
        (Literature::Michalewicz, 1.9),
    ] {
        let found = median_start(function);
        assert!((0.5..2.0).contains(&(found / median)), "{}: {found}", function.name());
    }
    let found = median_start(Quadratic::new(20));
    assert!((150.0..260.0).contains(&found), "{found}");
}

fn median_start(problem: impl Problem) -> f64 {
    let problem: Arc<dyn AnyProblem> = Arc::new(problem);
    let mut losses: Vec<f64> = (0..501)
        .map(|seed| {
            let draw = Draw::new(&problem, seed);
            draw.loss(&draw.params)
        })
        .collect();
    losses.sort_by(f64::total_cmp);
    losses[250]
}
