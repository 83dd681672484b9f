//! Nothing of a step goes through the host, and nothing that the user holds is written to.

use crate::model::flat;
use crate::problems::{ConvNet, OnDevice, Problem, config, with_weights};
use lopt_core::gpu::{Client, Runtime};

/// The first device of the first runtime in this build.
pub(crate) fn client() -> Client {
    let runtime = if cfg!(feature = "cuda") { Runtime::Cuda } else { Runtime::Wgpu };
    runtime.client().unwrap()
}

/// While a graph is recorded, cubecl refuses to read, to wait and to write from the host.
#[test]
fn a_step_reads_nothing_writes_nothing_and_waits_for_nothing() {
    ["recommended", "hierarchical-rnn"].into_iter().for_each(steps_are_recorded);
}

fn steps_are_recorded(name: &str) {
    let OnDevice(problem, mut model, mut optimizer) = OnDevice::<ConvNet>::new(&with_weights(name));
    let client = client();
    // gradients are the user's: they are taken before
    let mut attended = optimizer.attend(&model).unwrap();
    let mut prepared: Vec<_> = (0..4).map(|_| problem.gradients(&attended).1).collect();
    let mut step = || {
        model = optimizer.apply(model.clone(), attended.clone(), prepared.pop().unwrap()).unwrap();
        attended = optimizer.attend(&model).unwrap();
    };
    step();
    client.graph_prepare().unwrap();
    (0..2).for_each(|_| step());
    client.start_capture().unwrap();
    step();
    let recorded = client.stop_capture();
    assert!(recorded.is_ok(), "{:?}", recorded.err());

    // reading the optimizer's parameters there is refused: the window is the one it works in
    client.graph_prepare().unwrap();
    client.start_capture().unwrap();
    let read = optimizer.parameters();
    let recorded = client.stop_capture();
    assert!(read.is_err() || recorded.is_err());
}

#[test]
fn models_that_the_user_keeps_do_not_change() {
    let mut run = OnDevice::<ConvNet>::new(&config());
    // after one step the average is the iterate
    (0..2).for_each(|_| run.step());
    let (kept, values) = (run.1.clone(), flat(&run.1, None));
    let attended = run.2.attend(&run.1).unwrap();
    let (old, point) = (attended.clone(), flat(&*attended, None));
    assert!(point != values, "there is one point only");
    (0..3).for_each(|_| run.step());
    assert!(flat(&kept, None) == values, "parameters that were kept");
    assert!(flat(&*old, None) == point, "an attended point that was kept");
    assert!(flat(&run.1, None) != values);
}
