//! Normalisation of the activations of an image network.

use lopt_grad::{Real, Var};

/// Over what mean and variance are taken.
///
/// `y = scale (x - mean) / sqrt(variance + 1e-5) + shift`, scale and shift one per channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageNorm {
    /// Over the pixels of an image and this many equal groups of its channels, each for itself
    /// (Wu & He 2018); one group is layer normalisation. Images do not see each other.
    Group(usize),
    /// Over the pixels of all images of the batch, channel by channel (Ioffe & Szegedy 2015).
    ///
    /// There are no running averages: accuracy is measured with the statistics of the rows it is
    /// measured on.
    Batch,
}

impl ImageNorm {
    /// Whether images of so many channels can be normalised.
    pub(super) fn fits(self, channels: usize) -> bool {
        let groups = match self {
            Self::Group(groups) => groups,
            Self::Batch => 1,
        };
        channels > 0 && groups > 0 && channels.is_multiple_of(groups)
    }

    /// Images `(B, height, width, channels)`, normalised.
    pub(super) fn apply<'t, R: Real>(
        self,
        images: Var<'t, R>,
        scale: Var<'t, R>,
        shift: Var<'t, R>,
    ) -> Var<'t, R> {
        let shape = images.shape();
        let (rows, pixels, channels) = (shape[0], shape[1] * shape[2], shape[3]);
        let normalised = match self {
            Self::Group(groups) => {
                let size = channels / groups;
                let x = images.reshape(&[rows, pixels, groups, size]);
                // Pixels first: what is left of them is short.
                let mean =
                    |x: Var<'t, R>| x.mean_axis(1).mean_axis(2).reshape(&[rows, 1, groups, 1]);
                let (scale, shift) =
                    (scale.reshape(&[groups, size]), shift.reshape(&[groups, size]));
                standardised(x, mean) * scale + shift
            }
            Self::Batch => {
                let x = images.reshape(&[rows * pixels, channels]);
                standardised(x, |x| x.mean_axis(0)) * scale + shift
            }
        };
        normalised.reshape(&shape)
    }
}

/// `(x - mean) / sqrt(variance + epsilon)`, with a `mean` that broadcasts against `x`.
fn standardised<'t, R: Real>(x: Var<'t, R>, mean: impl Fn(Var<'t, R>) -> Var<'t, R>) -> Var<'t, R> {
    let centred = x - mean(x);
    centred * (mean(centred.square()) + EPSILON).sqrt().recip()
}

/// Added to the variance.
const EPSILON: f64 = 1e-5;
