//! What character comes next: an LSTM and a transformer on a text, ours beside AdamW.
//!
//! `cargo run -p lopt-candle --example candle_text`, with `--steps N`, `--quick` or, for a text of your own,
//! `--data FILE`. The last tenth of the text is for validation.

pub(crate) mod compare;

use candle_core::{D, DType, Device, Module, Result, Tensor};
use candle_nn::ops::{layer_norm_slow, softmax};
use candle_nn::rnn::{LSTM, LSTMConfig, RNN, lstm};
use candle_nn::{
    Embedding, Init, Linear, VarBuilder, VarMap, embedding, linear, loss::cross_entropy,
};
use compare::{Job, Options, draw_scaled, print, rows};
use lopt_core::rng::Rng;

/// The line feed, and the printable characters of ASCII in their order; others count as the line feed.
const CHARACTERS: usize = 96;
/// Characters of a window.
const CONTEXT: usize = 48;
/// Windows of a batch.
const BATCH: usize = 16;
/// Windows of the validation part.
const VALIDATION: usize = 64;
const WIDTH: usize = 64;
const HEADS: usize = 4;
const LAYERS: usize = 2;
const UNITS: usize = 96;

/// Numbers of the characters to train on, and of those for validation.
#[derive(Clone)]
pub(crate) struct Text([Vec<u32>; 2]);

impl Text {
    /// Of a text that is long enough for validation.
    pub(crate) fn new(text: &str) -> std::result::Result<Self, String> {
        let number = |byte| if (b' '..=b'~').contains(&byte) { byte - b' ' + 1 } else { 0 };
        let mut train: Vec<u32> = text.bytes().map(|byte| u32::from(number(byte))).collect();
        let validation = train.split_off(train.len() / 10 * 9);
        let least = 10 * (VALIDATION + CONTEXT + 1);
        if text.len() < least {
            return Err(format!("expected a text of at least {least} bytes, got {}", text.len()));
        }
        Ok(Self([train, validation]))
    }

    /// Windows `[B, CONTEXT]` and the character behind each of theirs `[B * CONTEXT]`.
    fn windows(text: &[u32], starts: &[usize]) -> Result<(Tensor, Tensor)> {
        let from = |offset: usize| -> Vec<u32> {
            let window = |&start: &usize| &text[start + offset..start + offset + CONTEXT];
            starts.iter().flat_map(window).copied().collect()
        };
        let inputs = Tensor::from_vec(from(0), (starts.len(), CONTEXT), &Device::Cpu)?;
        Ok((inputs, Tensor::from_vec(from(1), starts.len() * CONTEXT, &Device::Cpu)?))
    }
}

/// From characters `[B, CONTEXT]` to what stands for each `[B, CONTEXT, width]`.
enum Body {
    Lstm(LSTM),
    Transformer { positions: Tensor, mask: Tensor, layers: Vec<Layer> },
}

impl Body {
    fn forward(&self, x: Tensor) -> Result<Tensor> {
        match self {
            Self::Lstm(lstm) => lstm.states_to_tensor(&lstm.seq(&x)?),
            Self::Transformer { positions, mask, layers } => {
                let x = x.broadcast_add(positions)?;
                layers.iter().try_fold(x, |x, layer| layer.forward(&x, mask))
            }
        }
    }
}

struct Layer {
    norms: [Norm; 2],
    queries_keys_values: Linear,
    mixed: Linear,
    wide: Linear,
    narrow: Linear,
}

impl Layer {
    fn new(builder: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self {
            norms: [Norm::new(&builder.pp("norm1"))?, Norm::new(&builder.pp("norm2"))?],
            queries_keys_values: linear(WIDTH, 3 * WIDTH, builder.pp("qkv"))?,
            mixed: linear(WIDTH, WIDTH, builder.pp("mixed"))?,
            wide: linear(WIDTH, 4 * WIDTH, builder.pp("wide"))?,
            narrow: linear(4 * WIDTH, WIDTH, builder.pp("narrow"))?,
        })
    }

    /// * `mask`: what is added to the scores, `[CONTEXT, CONTEXT]`.
    fn forward(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let (rows, length, _) = x.dims3()?;
        let part = self.queries_keys_values.forward(&self.norms[0].forward(x)?)?;
        // [3, B, heads, length, WIDTH / heads]
        let part = part.reshape((rows, length, 3, HEADS, WIDTH / HEADS))?;
        let part = part.permute((2, 0, 3, 1, 4))?.contiguous()?;
        let (queries, keys, values) = (part.get(0)?, part.get(1)?, part.get(2)?);
        let scale = 1.0 / ((WIDTH / HEADS) as f64).sqrt();
        let scores = (queries.matmul(&keys.transpose(2, 3)?.contiguous()?)? * scale)?;
        let seen = softmax(&scores.broadcast_add(mask)?, D::Minus1)?.matmul(&values)?;
        let seen = seen.transpose(1, 2)?.contiguous()?.reshape((rows, length, WIDTH))?;
        let x = (x + self.mixed.forward(&seen)?)?;
        let inside = self.wide.forward(&self.norms[1].forward(&x)?)?.gelu()?;
        &x + self.narrow.forward(&inside)?
    }
}

/// Candle's own layer cuts gradients off where its input is contiguous.
struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(builder: &VarBuilder<'_>) -> Result<Self> {
        let weight = builder.get_with_hints(WIDTH, "weight", Init::Const(1.0))?;
        Ok(Self { weight, bias: builder.get_with_hints(WIDTH, "bias", Init::Const(0.0))? })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        layer_norm_slow(x, &self.weight, &self.bias, 1e-5)
    }
}

/// A language model with its text.
pub(crate) struct Network {
    variables: VarMap,
    embedding: Embedding,
    body: Body,
    head: Linear,
    text: Text,
}

impl Network {
    pub(crate) fn lstm(text: Text) -> Result<Self> {
        Self::new(text, UNITS, |builder| {
            Ok(Body::Lstm(lstm(WIDTH, UNITS, LSTMConfig::default(), builder)?))
        })
    }

    pub(crate) fn transformer(text: Text) -> Result<Self> {
        Self::new(text, WIDTH, |builder| {
            let later =
                |row: usize, column: usize| if column > row { f32::NEG_INFINITY } else { 0.0 };
            let mask =
                (0..CONTEXT).flat_map(|row| (0..CONTEXT).map(move |column| later(row, column)));
            let mask = Tensor::from_vec(mask.collect(), (CONTEXT, CONTEXT), &Device::Cpu)?;
            let layer = |i| Layer::new(&builder.pp(format!("layer{i}")));
            let layers = (0..LAYERS).map(layer).collect::<Result<_>>()?;
            let positions = builder.get((CONTEXT, WIDTH), "positions")?;
            Ok(Body::Transformer { positions, mask, layers })
        })
    }

    /// * `width`: of what the body gives for a character.
    fn new(
        text: Text,
        width: usize,
        body: impl FnOnce(VarBuilder<'_>) -> Result<Body>,
    ) -> Result<Self> {
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let network = Self {
            embedding: embedding(CHARACTERS, WIDTH, builder.pp("embedding"))?,
            body: body(builder.pp("body"))?,
            head: linear(width, CHARACTERS, builder.pp("head"))?,
            variables,
            text,
        };
        // the variance of PyTorch's layers
        draw_scaled(&network.variables, 1.0 / 3.0)?;
        Ok(network)
    }

    /// Mean cross-entropy in nats per character.
    fn loss_of(&self, text: &[u32], starts: &[usize]) -> Result<Tensor> {
        let (inputs, targets) = Text::windows(text, starts)?;
        let x = self.body.forward(self.embedding.forward(&inputs)?)?;
        cross_entropy(&self.head.forward(&x)?.flatten(0, 1)?, &targets)
    }
}

impl Job for Network {
    fn variables(&self) -> &VarMap {
        &self.variables
    }

    fn loss(&self, _: usize, rng: &mut Rng) -> Result<Tensor> {
        let text = &self.text.0[0];
        self.loss_of(text, &rows(BATCH, text.len() - CONTEXT, rng))
    }

    fn validation(&self) -> Result<f32> {
        let text = &self.text.0[1];
        let apart = (text.len() - CONTEXT) / VALIDATION;
        let starts: Vec<usize> = (0..VALIDATION).map(|window| window * apart).collect();
        self.loss_of(text, &starts)?.to_scalar()
    }
}

#[allow(clippy::print_stdout, reason = "an example reports")]
fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let options = Options::of_command_line(1000)?;
    // a folder, as `LOPT_DATA` names one, holds no text
    let file = options.data.filter(|path| !path.is_dir());
    let (text, whose) = match &file {
        Some(path) => {
            let read = std::fs::read_to_string(path);
            let text = read.map_err(|e| format!("cannot read `{}`: {e}", path.display()))?;
            (text, path.display().to_string())
        }
        None => (lopt_problems::TEXT.to_owned(), "the text of this project".to_owned()),
    };
    let text = Text::new(&text)?;
    print(&format!("LSTM on {whose}"), &Network::lstm(text.clone())?, options.steps)?;
    println!();
    Ok(print(&format!("Transformer on {whose}"), &Network::transformer(text)?, options.steps)?)
}
