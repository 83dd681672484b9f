//! Which rows make up the next batch.

use lopt_core::rng::{Rng, shuffle};

/// Endless batches of row indices: consecutive blocks of a shuffled data set.
///
/// When the next block would run past the end, the rest is dropped and the rows are shuffled
/// again. A batch at least as large as the data set is all of it, in a new order each time. One
/// stream serves a whole training run.
#[derive(Debug, Clone)]
pub struct BatchStream {
    order: Vec<usize>,
    batch: usize,
    next: usize,
    rng: Rng,
}

impl BatchStream {
    /// Batches of `batch >= 1` out of `rows >= 1` rows.
    ///
    /// # Panics
    ///
    /// If one of them is 0.
    pub fn new(rows: usize, batch: usize, rng: Rng) -> Self {
        assert!(rows > 0 && batch > 0, "rows and batch are at least 1, got {rows} and {batch}");
        Self { order: (0..rows).collect(), batch: batch.min(rows), next: rows, rng }
    }

    /// The rows of the next batch.
    pub fn next_rows(&mut self) -> &[usize] {
        if self.next + self.batch > self.order.len() {
            shuffle(&mut self.rng, &mut self.order);
            self.next = 0;
        }
        let start = self.next;
        self.next += self.batch;
        &self.order[start..self.next]
    }
}

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;

    use super::*;

    #[test]
    fn an_epoch_has_no_row_twice() {
        let mut batches = BatchStream::new(10, 3, stream(5, &[]));
        for _ in 0..20 {
            let mut epoch: Vec<usize> = (0..3).flat_map(|_| batches.next_rows().to_vec()).collect();
            epoch.sort_unstable();
            epoch.dedup();
            assert_eq!(epoch.len(), 9);
        }
    }

    #[test]
    fn a_large_batch_is_everything_in_new_order() {
        let mut batches = BatchStream::new(8, 23, stream(5, &[]));
        let (first, second) = (batches.next_rows().to_vec(), batches.next_rows().to_vec());
        assert_ne!(first, second);
        assert_eq!((first.len(), second.len()), (8, 8));
    }

    #[test]
    fn equal_seeds_give_equal_batches() {
        let mut pair = [0, 1].map(|_| BatchStream::new(100, 7, stream(9, &[1])));
        for _ in 0..50 {
            let [a, b] = &mut pair;
            assert_eq!(a.next_rows(), b.next_rows());
        }
    }
}
