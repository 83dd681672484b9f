//! A table of categories and numbers, as of sales: embeddings and a small network, ours beside AdamW.
//!
//! `cargo run -p lopt-candle --example candle_table`, with `--steps N` or `--quick`. The table is drawn:
//! every category has an effect of its own, two of them one together, and numbers add theirs.

pub(crate) mod compare;

use candle_core::{DType, Device, Module, Result, Tensor};
use candle_nn::{Embedding, Linear, VarBuilder, VarMap, embedding, linear};
use compare::{Job, Options, draw, print, rows};
use lopt_core::rng::{Rng, below, normal, stream};

const BATCH: usize = 64;
/// Categories of each column: shops, products, days of the week.
const CATEGORIES: [usize; 3] = [50, 200, 7];
const NUMBERS: usize = 6;
/// Numbers that stand for a category.
const WIDTH: usize = 8;
const HIDDEN: usize = 64;
/// Standard deviation of what no model can know.
const NOISE: f64 = 0.3;

/// Columns of categories `[N, 3]`, numbers `[N, NUMBERS]` and targets `[N, 1]`.
struct Table {
    categories: Tensor,
    numbers: Tensor,
    targets: Tensor,
}

impl Table {
    /// Rows of one table: those of different `seed` have the same effects.
    fn draw(count: usize, seed: u64) -> Result<Self> {
        let mut effects = stream(5, &[]);
        let mut normals = |n: usize| (0..n).map(|_| normal(&mut effects)).collect::<Vec<f64>>();
        let of_category = CATEGORIES.map(&mut normals);
        let of_number = normals(NUMBERS);
        let mut rng = stream(6, &[seed]);
        let (mut categories, mut numbers, mut targets) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let row = CATEGORIES.map(|n| below(&mut rng, n));
            let x: Vec<f64> = (0..NUMBERS).map(|_| normal(&mut rng)).collect();
            let effects: Vec<f64> = row.iter().zip(&of_category).map(|(&c, of)| of[c]).collect();
            let linear: f64 = x.iter().zip(&of_number).map(|(x, of)| 0.4 * x * of).sum();
            let together = effects[0] * effects[2] + x[0] * effects[1];
            let target = effects.iter().sum::<f64>() + together + linear;
            targets.push((target + NOISE * normal(&mut rng)) as f32);
            categories.extend(row.map(|c| c as u32));
            numbers.extend(x.iter().map(|&x| x as f32));
        }
        Ok(Self {
            categories: Tensor::from_vec(categories, (count, CATEGORIES.len()), &Device::Cpu)?,
            numbers: Tensor::from_vec(numbers, (count, NUMBERS), &Device::Cpu)?,
            targets: Tensor::from_vec(targets, (count, 1), &Device::Cpu)?,
        })
    }

    fn len(&self) -> usize {
        self.targets.elem_count()
    }

    fn select(&self, rows: &[usize]) -> Result<Self> {
        let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        let rows = Tensor::from_slice(&rows, rows.len(), &Device::Cpu)?;
        let [categories, numbers, targets] = [&self.categories, &self.numbers, &self.targets]
            .map(|column| column.index_select(&rows, 0));
        Ok(Self { categories: categories?, numbers: numbers?, targets: targets? })
    }
}

/// Embeddings of the categories and the numbers beside one another, through a hidden layer.
pub(crate) struct TableNetwork {
    variables: VarMap,
    embeddings: Vec<Embedding>,
    hidden: Linear,
    out: Linear,
    data: [Table; 2],
}

impl TableNetwork {
    /// * `rows`: rows to train on, and to validate.
    pub(crate) fn new(rows: [usize; 2]) -> Result<Self> {
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let embeddings = CATEGORIES.iter().enumerate();
        let embeddings =
            embeddings.map(|(i, &n)| embedding(n, WIDTH, builder.pp(format!("embedding{i}"))));
        let inputs = CATEGORIES.len() * WIDTH + NUMBERS;
        let network = Self {
            embeddings: embeddings.collect::<Result<_>>()?,
            hidden: linear(inputs, HIDDEN, builder.pp("hidden"))?,
            out: linear(HIDDEN, 1, builder.pp("out"))?,
            data: [Table::draw(rows[0], 0)?, Table::draw(rows[1], 1)?],
            variables,
        };
        draw(&network.variables)?;
        Ok(network)
    }

    /// Mean squared error.
    fn loss_of(&self, table: &Table) -> Result<Tensor> {
        let mut inputs = vec![table.numbers.clone()];
        for (i, embedding) in self.embeddings.iter().enumerate() {
            inputs.push(embedding.forward(&table.categories.narrow(1, i, 1)?.squeeze(1)?)?);
        }
        let hidden = self.hidden.forward(&Tensor::cat(&inputs, 1)?)?.relu()?;
        (self.out.forward(&hidden)? - &table.targets)?.sqr()?.mean_all()
    }
}

impl Job for TableNetwork {
    fn variables(&self) -> &VarMap {
        &self.variables
    }

    fn loss(&self, _: usize, rng: &mut Rng) -> Result<Tensor> {
        self.loss_of(&self.data[0].select(&rows(BATCH, self.data[0].len(), rng))?)
    }

    fn validation(&self) -> Result<f32> {
        self.loss_of(&self.data[1])?.to_scalar()
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let options = Options::of_command_line(1000)?;
    let rows = if options.quick { [500, 250] } else { [20_000, 4000] };
    let title = format!("Table of {} rows with embeddings", rows[0]);
    Ok(print(&title, &TableNetwork::new(rows)?, options.steps)?)
}
