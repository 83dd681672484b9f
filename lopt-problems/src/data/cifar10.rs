//! CIFAR-10 in its binary files.
//!
//! A file is a sequence of records of 3073 bytes: the label, then 32 x 32 red, green and blue
//! values, plane by plane (<https://www.cs.toronto.edu/~kriz/cifar.html>).

use std::path::{Path, PathBuf};

use super::DataError;
use super::home::home;
use super::idx::read_limited;
use crate::instance::{Array, Dataset};

/// Reads images `(N, 32, 32, 3)` with values from 0 to 1: the training set and the test set.
///
/// The training set is the files `data_batch_1.bin` to `data_batch_5.bin` as far as they exist, in
/// that order, the test set `test_batch.bin`. Files may have any number of records. All lie in `folder`
/// or in one folder directly inside it.
///
/// # Errors
///
/// If a needed file is missing, unreadable, over 256 MiB, or no whole number of records.
pub fn read_cifar10(folder: &Path) -> Result<(Dataset, Dataset), DataError> {
    let batches: Vec<String> = (1..=5).map(|i| format!("data_batch_{i}.bin")).collect();
    let folder = &home(folder, |inside| batches.iter().any(|name| inside.join(name).is_file()));
    let train = read_files(folder, batches)?;
    let test = read_files(folder, vec!["test_batch.bin".to_owned()])?;
    Ok((train, test))
}

/// All records of the files that exist, of which there must be one.
fn read_files(folder: &Path, names: Vec<String>) -> Result<Dataset, DataError> {
    let mut values = Vec::new();
    let mut labels = Vec::new();
    let paths = names.iter().map(|name| folder.join(name)).filter(|path| path.is_file());
    for path in paths.collect::<Vec<PathBuf>>() {
        let content = read_limited(&path, FILE_LIMIT)?;
        append(&path, &content, &mut values, &mut labels)?;
    }
    if labels.is_empty() {
        return Err(DataError::Missing { folder: folder.display().to_string(), names });
    }
    let features = Array::new([labels.len(), SIDE, SIDE, CHANNELS], values);
    Ok(Dataset { features, labels, classes: CLASSES })
}

/// Appends the records of one file, planes of colour turned into pixels of three values.
fn append(
    path: &Path,
    content: &[u8],
    values: &mut Vec<f32>,
    labels: &mut Vec<usize>,
) -> Result<(), DataError> {
    let file = || path.display().to_string();
    let rest = content.len() % RECORD;
    if rest != 0 || content.is_empty() {
        return Err(DataError::Length {
            file: file(),
            offset: content.len() - rest,
            expected: format!("a record of {RECORD}"),
            found: rest,
        });
    }
    values.reserve(content.len() / RECORD * PLANE * CHANNELS);
    for (i, record) in content.chunks_exact(RECORD).enumerate() {
        let (label, planes) = (record[0], &record[1..]);
        if usize::from(label) >= CLASSES {
            let offset = i * RECORD;
            return Err(DataError::Label { file: file(), offset, label, classes: CLASSES });
        }
        labels.push(usize::from(label));
        for pixel in 0..PLANE {
            for channel in 0..CHANNELS {
                values.push(f32::from(planes[channel * PLANE + pixel]) / 255.0);
            }
        }
    }
    Ok(())
}

/// Bound on the content of a file; a full batch has 31 MB.
const FILE_LIMIT: usize = 256 << 20;

/// Height and width of an image.
const SIDE: usize = 32;

/// Red, green, blue.
const CHANNELS: usize = 3;

/// Pixels of an image.
const PLANE: usize = SIDE * SIDE;

/// Bytes of a record.
const RECORD: usize = 1 + CHANNELS * PLANE;

/// Number of classes.
const CLASSES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &[u8]) -> Result<(Vec<f32>, Vec<usize>), String> {
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        append(Path::new("f"), content, &mut values, &mut labels)
            .map(|()| (values, labels))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn planes_become_pixels() {
        let mut record = vec![0; RECORD];
        record[0] = 7;
        record[1] = 255;
        record[1 + PLANE] = 51;
        record[RECORD - 1] = 102;
        let (values, labels) = parse(&record).unwrap();
        assert_eq!(labels, [7]);
        assert_eq!(values[..3], [1.0, 0.2, 0.0]);
        assert_eq!(values[3 * PLANE - 1], 0.4);
    }

    #[test]
    fn errors_name_the_offset() {
        let mut records = vec![0; 2 * RECORD];
        records[RECORD] = 10;
        let error = parse(&records).unwrap_err();
        assert_eq!(error, "`f` has the label 10 at offset 3073, expected less than 10");
        let error = parse(&records[..RECORD + 5]).unwrap_err();
        assert_eq!(error, "`f` has 5 bytes from offset 3073 on, expected a record of 3073");
    }
}
