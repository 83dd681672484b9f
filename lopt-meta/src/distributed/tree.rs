//! Who talks to whom in an asynchronous run.

use super::DistributedError;

/// Rank of the process that owns psi.
pub const ROOT: usize = 0;

/// Rank 0 serves all others, or `aggregators` ranks behind it, each of which serves its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    size: usize,
    aggregators: usize,
}

impl Tree {
    /// For so many processes.
    ///
    /// # Errors
    ///
    /// If somebody would have nobody to serve.
    pub fn new(size: usize, aggregators: usize) -> Result<Self, DistributedError> {
        let needed = if aggregators == 0 { 2 } else { 1 + 2 * aggregators };
        if size < needed {
            return Err(DistributedError::TooFew { given: size, needed });
        }
        Ok(Self { size, aggregators })
    }

    /// The ranks that a rank serves, none for a worker.
    #[must_use]
    pub fn below(&self, rank: usize) -> Vec<usize> {
        match (rank, self.aggregators) {
            (ROOT, 0) => (1..self.size).collect(),
            (ROOT, aggregators) => (1..=aggregators).collect(),
            (rank, aggregators) if rank <= aggregators => {
                (rank + aggregators..self.size).step_by(aggregators).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The rank that serves a rank; the root for itself.
    #[must_use]
    pub fn above(&self, rank: usize) -> usize {
        if rank <= self.aggregators || self.aggregators == 0 {
            ROOT
        } else {
            1 + (rank - 1) % self.aggregators
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_served_by_whom_it_serves() {
        for (size, aggregators) in [(2, 0), (9, 0), (3, 1), (7, 2), (8, 3), (1001, 31)] {
            let tree = Tree::new(size, aggregators).unwrap();
            let mut served = 0;
            for rank in 0..size {
                for below in tree.below(rank) {
                    assert_eq!(tree.above(below), rank, "{size} ranks, {aggregators}: {below}");
                    served += 1;
                }
                if rank <= aggregators {
                    assert!(!tree.below(rank).is_empty(), "{rank} of {size}, {aggregators}");
                }
            }
            assert_eq!(served, size - 1);
        }
    }

    #[test]
    fn too_few_are_refused() {
        let error = Tree::new(6, 3).unwrap_err().to_string();
        assert_eq!(error, "6 processes given, this run needs at least 7: mpirun -n 7");
        Tree::new(1, 0).unwrap_err();
    }
}
