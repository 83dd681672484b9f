//! What the examples on digits share: their arguments, their images, and batches of them.

use burn::tensor::{Device, Int, Tensor, TensorData};
use lopt_core::rng::stream;
use lopt_problems::{Dataset, MnistPart, Recipe, read_mnist};
use std::error::Error;
use std::path::PathBuf;

/// The folder after `--data`, or else that in `LOPT_DATA`, and the number after a flag.
pub(crate) fn arguments(
    flag: &str,
    default: usize,
) -> Result<(Option<PathBuf>, usize), Box<dyn Error>> {
    let mut data: Option<PathBuf> = std::env::var_os("LOPT_DATA").map(PathBuf::from);
    let mut count = default;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("expected a value after `{word}`"))?;
        match word.as_str() {
            "--data" => data = Some(value.into()),
            _ if word == flag => count = value.parse()?,
            _ => return Err(format!("expected --data DIR or {flag} N, got `{word}`").into()),
        }
    }
    Ok((data, count))
}

/// Images to train on and others: MNIST's from a folder, or generated ones.
pub(crate) fn sets(folder: Option<PathBuf>) -> Result<[Dataset; 2], Box<dyn Error>> {
    Ok(match folder {
        Some(folder) => {
            [read_mnist(&folder, MnistPart::Train)?, read_mnist(&folder, MnistPart::Test)?]
        }
        None => {
            let digits =
                |rows, seed| Recipe::Digits { size: 20, rows }.make(&mut stream(seed, &[]));
            [digits(4000, 10), digits(1000, 11)]
        }
    })
}

#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// `[B, 1, height, width]`
    pub images: Tensor<4>,
    /// `[B]`
    pub labels: Tensor<1, Int>,
}

impl Batch {
    pub(crate) fn of(set: &Dataset, rows: &[usize], device: &Device) -> Self {
        let chosen = set.select(rows);
        let [height, width] = [chosen.features.shape[1], chosen.features.shape[2]];
        let images = TensorData::new(chosen.features.values, [rows.len(), 1, height, width]);
        let labels: Vec<i32> = chosen.labels.iter().map(|&label| label as i32).collect();
        let labels = TensorData::new(labels, [rows.len()]);
        Self {
            images: Tensor::from_data(images, device),
            labels: Tensor::from_data(labels, device),
        }
    }
}
