//! Convolutional, residual and inception networks on generated images of the size of CIFAR-10.

use super::Entry;
use crate::classifier::{
    Activation, ConvNet, ImageNorm, InceptionModule, InceptionNet, Init, ResNet, Stage,
};
use crate::data::{Recipe, Source};

/// The networks of the CIFAR-10 races where there is no CIFAR-10.
pub(super) fn image_tests() -> Vec<Entry> {
    let source = || Source::once(Recipe::Images { size: 32, classes: 10, rows: ROWS }, SEED);
    let conv = ConvNet::new("images-conv", &CIFAR_CONV, Activation::Relu, source(), BATCH);
    let mut entries = vec![Entry::new("test", conv.starting_from(Init::He, 0.0))];
    for blocks in [1, 2, 3] {
        let name = format!("resnet-{}", 6 * blocks + 2);
        entries.push(Entry::new("test", residual(&name, blocks, source(), BATCH)));
    }
    entries.push(Entry::new("test", inception("images-inception", source(), BATCH)));
    entries
}

/// Three modules, the second and the third on images halved, before them a stem of 16 channels.
pub(crate) fn inception(name: &str, source: Source, batch: usize) -> InceptionNet {
    let module = |width, halves| InceptionModule {
        one: width,
        three: [width, 2 * width],
        five: [width / 4, width / 2],
        pool: width / 2,
        halves,
    };
    let modules = [module(8, false), module(16, true), module(32, true)];
    InceptionNet::new(name, 16, &modules, source, batch)
}

/// Three stages of 16, 32 and 64 channels, as He et al. have for CIFAR-10.
///
/// Groups of 8 rather than batch statistics: the loss of a row then does not depend on the batch.
pub(crate) fn residual(name: &str, blocks: usize, source: Source, batch: usize) -> ResNet {
    ResNet::new(name, &[16, 32, 64], blocks, ImageNorm::Group(8), source, batch)
}

/// Convolutions of the CIFAR-10 race.
pub(crate) const CIFAR_CONV: [Stage; 3] = [
    Stage { kernel: 3, channels: 16, pool: 2 },
    Stage { kernel: 3, channels: 32, pool: 2 },
    Stage { kernel: 3, channels: 32, pool: 2 },
];

/// Examples; more than the largest batch that is timed.
const ROWS: usize = 2048;

/// Rows per batch.
const BATCH: usize = 64;

/// Seed of the images.
const SEED: u64 = 20_161_005;
