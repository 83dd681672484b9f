//! MNIST in its IDX files, plain or gzip-compressed.
//!
//! An IDX file is the bytes 0, 0, element type, number of axes; one big-endian 32-bit extent per
//! axis; then the elements (<http://yann.lecun.com/exdb/mnist/>). MNIST has unsigned bytes (type
//! 8) with three axes for images and one for labels.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::DataError;
use super::home::home;
use crate::instance::{Array, Dataset};

/// Which half of MNIST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MnistPart {
    /// `train-images-idx3-ubyte` and its labels.
    Train,
    /// `t10k-images-idx3-ubyte` and its labels.
    Test,
}

/// Reads images `(N, 28, 28, 1)` with values from 0 to 1 and their labels from `folder`, or from the first
/// folder directly inside it that has any of the files.
///
/// Files may end in `.gz` and may have `.idx` in place of `-idx`, and any number of images.
///
/// # Errors
///
/// If a file is missing, unreadable, over 256 MiB, or not what its header says.
pub fn read_mnist(folder: &Path, part: MnistPart) -> Result<Dataset, DataError> {
    let stem = match part {
        MnistPart::Train => TRAIN,
        MnistPart::Test => TEST,
    };
    let images_of = |folder: &Path, stem| find(folder, &format!("{stem}-images"), "idx3-ubyte");
    let folder = &home(folder, |inside| {
        [TRAIN, TEST].into_iter().any(|stem| images_of(inside, stem).is_ok())
    });
    let image_file = images_of(folder, stem)?;
    let label_file = find(folder, &format!("{stem}-labels"), "idx1-ubyte")?;
    let images = parse_idx(&image_file, &read_limited(&image_file, FILE_LIMIT)?, &[SIDE, SIDE])?;
    let labels = parse_idx(&label_file, &read_limited(&label_file, FILE_LIMIT)?, &[])?;
    let image_count = images.len() / (SIDE * SIDE);
    if image_count != labels.len() {
        return Err(DataError::CountMismatch {
            images: image_file.display().to_string(),
            image_count,
            labels: label_file.display().to_string(),
            label_count: labels.len(),
        });
    }
    if let Some(at) = labels.iter().position(|&label| usize::from(label) >= CLASSES) {
        let (offset, label) = (LABEL_START + at, labels[at]);
        let file = label_file.display().to_string();
        return Err(DataError::Label { file, offset, label, classes: CLASSES });
    }
    let values = images.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
    Ok(Dataset {
        features: Array::new([image_count, SIDE, SIDE, 1], values),
        labels: labels.into_iter().map(usize::from).collect(),
        classes: CLASSES,
    })
}

/// The first existing spelling of a file name.
fn find(folder: &Path, stem: &str, suffix: &str) -> Result<PathBuf, DataError> {
    let plain = [format!("{stem}-{suffix}"), format!("{stem}.{suffix}")];
    let names: Vec<String> =
        plain.iter().flat_map(|name| [name.clone(), format!("{name}.gz")]).collect();
    let existing = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    existing.ok_or_else(|| DataError::Missing { folder: folder.display().to_string(), names })
}

/// The content of a file, decompressed if its name ends in `.gz`, at most `limit` bytes.
pub(super) fn read_limited(path: &Path, limit: usize) -> Result<Vec<u8>, DataError> {
    let file = path.display().to_string();
    let mut content = Vec::new();
    let opened = match File::open(path) {
        Ok(opened) => opened,
        Err(source) => return Err(DataError::Io { file, offset: 0, source }),
    };
    let compressed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> =
        if compressed { Box::new(MultiGzDecoder::new(opened)) } else { Box::new(opened) };
    // One byte more than allowed tells a full file from one that is too long.
    match reader.take(limit as u64 + 1).read_to_end(&mut content) {
        Err(source) => Err(DataError::Io { file, offset: content.len(), source }),
        Ok(_) if content.len() > limit => Err(DataError::TooLarge { file, limit }),
        Ok(_) => Ok(content),
    }
}

/// The elements of an IDX file of unsigned bytes whose axes after the first are `row_shape`.
fn parse_idx(path: &Path, content: &[u8], row_shape: &[usize]) -> Result<Vec<u8>, DataError> {
    let file = || path.display().to_string();
    let word = |offset: usize| match content.get(offset..offset + 4) {
        Some(bytes) => Ok(bytes.iter().fold(0_u32, |word, &byte| word << 8 | u32::from(byte))),
        None => Err(DataError::Length {
            file: file(),
            offset,
            expected: "at least 4".to_owned(),
            found: content.len().saturating_sub(offset),
        }),
    };
    let check = |offset: usize, expected: usize| match word(offset)? {
        found if found as usize == expected => Ok(()),
        found => {
            Err(DataError::Header { file: file(), offset, expected: expected.to_string(), found })
        }
    };
    check(0, UNSIGNED_BYTES << 8 | (1 + row_shape.len()))?;
    let rows = word(4)?;
    for (axis, &extent) in row_shape.iter().enumerate() {
        check(8 + 4 * axis, extent)?;
    }
    if rows == 0 {
        let expected = "at least one row".to_owned();
        return Err(DataError::Header { file: file(), offset: 4, expected, found: 0 });
    }
    let start = LABEL_START + 4 * row_shape.len();
    let elements = &content[start..];
    let expected = row_shape.iter().fold(u64::from(rows), |size, &extent| size * extent as u64);
    if elements.len() as u64 != expected {
        return Err(DataError::Length {
            file: file(),
            offset: start,
            expected: expected.to_string(),
            found: elements.len(),
        });
    }
    Ok(elements.to_vec())
}

/// Bound on the content of a file; the images of MNIST have 47 MB.
const FILE_LIMIT: usize = 256 << 20;

/// Beginnings of the names of the files.
const TRAIN: &str = "train";
const TEST: &str = "t10k";

/// Height and width of an image.
const SIDE: usize = 28;

/// The digits.
const CLASSES: usize = 10;

/// Where the elements of a file with one axis begin.
const LABEL_START: usize = 8;

/// Code of the element type.
const UNSIGNED_BYTES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn label_bytes(magic: [u8; 4], count: u32, labels: &[u8]) -> Vec<u8> {
        [&magic[..], &count.to_be_bytes(), labels].concat()
    }

    fn parse(content: &[u8], row_shape: &[usize]) -> Result<Vec<u8>, String> {
        parse_idx(Path::new("f"), content, row_shape).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_come_back() {
        assert_eq!(parse(&label_bytes([0, 0, 8, 1], 3, &[4, 0, 9]), &[]), Ok(vec![4, 0, 9]));
    }

    #[test]
    fn errors_name_the_offset() {
        let fails = |content: &[u8], row_shape: &[usize]| parse(content, row_shape).unwrap_err();
        assert_eq!(fails(&[0, 0], &[]), "`f` has 2 bytes from offset 0 on, expected at least 4");
        let float = label_bytes([0, 0, 13, 1], 1, &[0]);
        assert_eq!(fails(&float, &[]), "`f` has 3329 at offset 0, expected 2049");
        let short = label_bytes([0, 0, 8, 1], 3, &[1, 2]);
        assert_eq!(fails(&short, &[]), "`f` has 2 bytes from offset 8 on, expected 3");
        let none = label_bytes([0, 0, 8, 1], 0, &[]);
        assert_eq!(fails(&none, &[]), "`f` has 0 at offset 4, expected at least one row");
        let narrow = label_bytes([0, 0, 8, 3], 1, &[0, 0, 0, 28, 0, 0, 0, 27]);
        assert_eq!(fails(&narrow, &[28, 28]), "`f` has 27 at offset 12, expected 28");
        let huge = label_bytes([0, 0, 8, 3], u32::MAX, &[0, 0, 0, 28, 0, 0, 0, 28]);
        assert!(fails(&huge, &[28, 28]).contains("expected 3367254359280"));
    }

    proptest::proptest! {
        /// Whatever the bytes, there is an answer.
        #[test]
        fn no_content_panics(mut content in proptest::collection::vec(0_u8.., 0..40), images: bool) {
            let row_shape: &[usize] = if images { &[28, 28] } else { &[] };
            let _ = parse(&content, row_shape);
            // Behind the right magic number the rest of the header is reached.
            content.splice(..content.len().min(4), [0, 0, 8, if images { 3 } else { 1 }]);
            let _ = parse(&content, row_shape);
        }
    }
}
