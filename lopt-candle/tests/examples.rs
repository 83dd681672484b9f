//! The examples train, small.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::duplicate_mod, reason = "the examples share their comparison")]

#[allow(dead_code, reason = "the example's main is not called")]
#[path = "../examples/candle_convnet.rs"]
mod convnet;
#[allow(dead_code, reason = "the example's main is not called")]
#[path = "../examples/candle_finetune.rs"]
mod finetune;
#[allow(dead_code, reason = "the example's main is not called")]
#[path = "../examples/candle_table.rs"]
mod table;
#[allow(dead_code, reason = "the example's main is not called")]
#[path = "../examples/candle_text.rs"]
mod text;

/// Both contenders go below the loss of the start, which is the same for them.
macro_rules! both_train {
    ($example:ident, $job:expr, $steps:expr) => {{
        use $example::compare::{Job as _, compare};
        let job = $job;
        let before = job.validation().unwrap();
        for row in compare(&job, $steps).unwrap() {
            assert!(row.validation < 0.9 * before && row.seconds > 0.0, "{before} {row:?}");
        }
        assert_eq!(job.validation().unwrap(), before);
    }};
}

#[test]
fn the_convnet_trains() {
    both_train!(convnet, convnet::ConvNet::new(convnet::digits(200, 100)).unwrap(), 30);
}

#[test]
fn the_table_trains() {
    both_train!(table, table::TableNetwork::new([500, 250]).unwrap(), 60);
}

#[test]
fn fine_tuning_trains() {
    both_train!(finetune, finetune::fine_tuning(40, [300, 100, 100]).unwrap(), 40);
}

#[test]
fn the_language_models_train() {
    let words = text::Text::new(&lopt_problems::TEXT[..20_000]).unwrap();
    both_train!(text, text::Network::lstm(words.clone()).unwrap(), 30);
    both_train!(text, text::Network::transformer(words).unwrap(), 30);
}

#[test]
fn a_text_without_a_validation_part_is_refused() {
    assert!(text::Text::new("too short").is_err_and(|error| error.contains("got 9")));
}
