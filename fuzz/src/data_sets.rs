//! Data files: an error, or a data set whose parts fit each other.

use lopt_problems::{Dataset, MnistPart, read_cifar10, read_mnist};

use super::bytes::Bytes;

/// Any image and label file of MNIST, compressed or not; pixels may be appended, as images are long.
pub fn idx_read(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (part, stem) = match bytes.byte() % 2 {
        0 => (MnistPart::Train, "train"),
        _ => (MnistPart::Test, "t10k"),
    };
    let endings = bytes.byte();
    let ending = |bit: u8| if endings >> bit & 1 == 1 { ".gz" } else { "" };
    let pixels = 28 * 28 * bytes.below(4);
    let label_bytes = usize::from(bytes.byte()).min(bytes.0.len());
    let (labels, images) = bytes.0.split_at(label_bytes);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: String, content: &[u8]| {
        std::fs::write(folder.path().join(name), content).expect("a temporary file");
    };
    write(format!("{stem}-labels-idx1-ubyte{}", ending(0)), labels);
    let images = [images, &vec![7; pixels]].concat();
    write(format!("{stem}-images-idx3-ubyte{}", ending(1)), &images);
    if let Ok(set) = read_mnist(folder.path(), part) {
        consistent(&set, &[28, 28, 1]);
    }
}

/// Any training and test file of CIFAR-10: the bytes repeated up to some lengths, as records are long.
pub fn cifar10_read(data: &[u8]) {
    let mut bytes = Bytes(data);
    let lengths = [(); 2].map(|()| bytes.below(4) * RECORD + bytes.below(3));
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, length) in ["data_batch_2.bin", "test_batch.bin"].into_iter().zip(lengths) {
        let content: Vec<u8> = bytes.0.iter().copied().cycle().take(length).collect();
        std::fs::write(folder.path().join(name), content).expect("a temporary file");
    }
    if let Ok((train, test)) = read_cifar10(folder.path()) {
        for (set, length) in [train, test].iter().zip(lengths) {
            assert_eq!(set.labels.len() * RECORD, length, "every byte belongs to a record");
            consistent(set, &[32, 32, 3]);
        }
    }
}

const RECORD: usize = 3073;

fn consistent(set: &Dataset, row: &[usize]) {
    let n = set.labels.len();
    assert!(n > 0, "a data set has examples");
    assert_eq!(set.features.shape, [&[n], row].concat());
    assert_eq!(set.features.values.len(), n * row.iter().product::<usize>());
    assert!(set.features.values.iter().all(|x| (0.0..=1.0).contains(x)));
    assert!(set.labels.iter().all(|&label| label < set.classes));
}
