//! Generated data sets have their stated properties, readers their stated errors.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use lopt_core::rng::stream;
use lopt_problems::{
    DataError, MnistPart, Problem, Recipe, Source, SumOfQuadratics, read_cifar10, read_mnist,
};

fn share(labels: &[usize], class: usize) -> f64 {
    labels.iter().filter(|&&label| label == class).count() as f64 / labels.len() as f64
}

#[test]
fn corners_are_balanced_and_scaled() {
    let recipe = Recipe::Corners { features: 100, separation: 1.0, rows: 1000 };
    let data = recipe.make(&mut stream(123, &[]));
    assert_eq!(data.features.shape, [1000, 100]);
    assert!((share(&data.labels, 1) - 0.5).abs() < 0.03);
    // Deviation about sqrt(n / 3), 5.8 for n = 100, and the corner's 1.
    let mean_square = data.features.values.iter().map(|x| x * x).sum::<f32>() / 1e5;
    assert!((30.0..39.0).contains(&mean_square), "{mean_square}");
    let odd = Recipe::Corners { features: 3, separation: 1.0, rows: 7 };
    assert_eq!(odd.make(&mut stream(1, &[])).len(), 7);
}

#[test]
fn random_networks_are_never_lopsided() {
    for seed in 0..20 {
        let data = Recipe::RandomMlp { features: 8, rows: 200 }.make(&mut stream(seed, &[]));
        assert!((0.05..=0.95).contains(&share(&data.labels, 1)), "seed {seed}");
    }
}

#[test]
fn symmetric_rows_cancel_exactly() {
    let problem = SumOfQuadratics::new(7, 5000, 10);
    let instance = problem.instance(&mut stream(4, &[]));
    let whole = problem.batch(&instance, None);
    assert!(whole[0].values.iter().all(|&sum| sum == 0.0));
    assert_eq!(whole[1].values, [5000.0]);
    let few = problem.batch(&instance, Some(&[0, 2, 5]));
    assert!(few[0].values.iter().all(|&sum| sum != 0.0));
    assert_eq!(few[1].values, [3.0]);
}

/// Labels of sequences can be worked out from the sequence.
#[test]
fn sequences_tell_their_labels() {
    let majority = Recipe::Majority { symbols: 6, length: 12, rows: 100 };
    let data = majority.make(&mut stream(5, &[]));
    for (row, &label) in data.labels.iter().enumerate() {
        let count = |symbol: usize| data.features.row(row).iter().skip(symbol).step_by(6).sum();
        let counts: Vec<f32> = (0..6).map(count).collect();
        let rivals = counts.iter().filter(|&&count| count >= counts[label]).count();
        assert_eq!((counts.iter().sum::<f32>(), rivals), (12.0, 1), "{counts:?}");
    }
    let data = Recipe::Recall { keys: 8, values: 4, pairs: 6, rows: 100 }.make(&mut stream(6, &[]));
    for (row, &label) in data.labels.iter().enumerate() {
        let positions: Vec<&[f32]> = data.features.row(row).chunks_exact(12).collect();
        let asked = positions[6].iter().position(|&x| x == 1.0).expect("a key is asked for");
        let pair = positions[..6].iter().find(|position| position[asked] == 1.0);
        assert_eq!(pair.expect("the key has a pair")[8 + label], 1.0);
    }
}

/// Between neighbours on the line a label that is decided changes once, a drawn one often.
#[test]
fn drawn_labels_differ_between_equals() {
    let recipe = Recipe::DrawnLabels { features: 1, classes: 2, rows: 2000 };
    let data = recipe.make(&mut stream(7, &[]));
    let mut rows: Vec<(f32, usize)> =
        data.features.values.iter().copied().zip(data.labels.iter().copied()).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let changes = rows.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    assert!((200..1200).contains(&changes), "{changes}");
}

#[test]
fn every_class_occurs() {
    for (recipe, classes) in [
        (Recipe::Teacher { features: 20, classes: 10, rows: 2048 }, 10),
        (Recipe::DrawnLabels { features: 12, classes: 6, rows: 2048 }, 6),
        (Recipe::Clusters { features: 16, classes: 8, rows: 2048 }, 8),
        (Recipe::Spirals { rows: 400 }, 2),
        (Recipe::Digits { size: 12, rows: 500 }, 10),
        (Recipe::Rings { classes: 4, rows: 256 }, 4),
        (Recipe::Chains { symbols: 8, classes: 4, length: 16, rows: 400 }, 4),
        (Recipe::Majority { symbols: 6, length: 12, rows: 400 }, 6),
        (Recipe::Recall { keys: 8, values: 4, pairs: 6, rows: 400 }, 4),
    ] {
        let data = recipe.make(&mut stream(9, &[]));
        assert_eq!((data.labels.len(), data.classes), (data.len(), classes));
        for class in 0..classes {
            assert!(share(&data.labels, class) > 0.01, "{recipe:?}: class {class}");
        }
        assert!(data.features.values.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn a_source_draws_once_or_anew() {
    let recipe = Recipe::Binary { features: 4, rows: 50 };
    let mut rng = stream(2, &[]);
    let once = Source::once(recipe, 123);
    assert!(Arc::ptr_eq(&once.dataset(&mut rng), &once.clone().dataset(&mut rng)));
    let fresh = Source::fresh(recipe);
    assert_ne!(fresh.dataset(&mut rng), fresh.dataset(&mut rng));
    assert_eq!((fresh.row_shape(), fresh.rows(), fresh.classes()), (vec![4], 50, 0));
}

#[test]
fn mnist_files_plain_and_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
    images.extend((0..2 * 28 * 28).map(|i| if i == 785 { 255 } else { 0 }));
    let file = fs::File::create(folder.path().join("train-images-idx3-ubyte.gz")).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(&images).unwrap();
    encoder.finish().unwrap();
    let labels = folder.path().join("train-labels.idx1-ubyte");
    fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 2, 3, 9]).unwrap();

    let data = read_mnist(folder.path(), MnistPart::Train).unwrap();
    assert_eq!(
        (data.features.shape.as_slice(), data.labels.as_slice()),
        (&[2, 28, 28, 1][..], &[3, 9][..])
    );
    assert_eq!(data.features.row(1)[1], 1.0);

    let test = read_mnist(folder.path(), MnistPart::Test).unwrap_err();
    assert!(matches!(test, DataError::Missing { .. }), "{test}");
    fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 2, 3, 10]).unwrap();
    let label = read_mnist(folder.path(), MnistPart::Train).unwrap_err();
    assert!(matches!(label, DataError::Label { offset: 9, label: 10, .. }), "{label}");
    fs::write(&labels, [0, 0, 8, 1, 0, 0, 0, 1, 3]).unwrap();
    let count = read_mnist(folder.path(), MnistPart::Train).unwrap_err();
    assert!(matches!(count, DataError::CountMismatch { image_count: 2, .. }), "{count}");
}

#[test]
fn a_broken_archive_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("t10k-images-idx3-ubyte.gz"), [31, 139, 8, 0, 1, 2]).unwrap();
    fs::write(folder.path().join("t10k-labels-idx1-ubyte"), [0, 0, 8, 1]).unwrap();
    let error = read_mnist(folder.path(), MnistPart::Test).unwrap_err();
    assert!(matches!(error, DataError::Io { .. }), "{error}");
}

#[test]
fn cifar_files_in_order() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(read_cifar10(folder.path()), Err(DataError::Missing { .. })));
    let record = |label: u8| [vec![label], vec![51; 3072]].concat();
    fs::write(folder.path().join("data_batch_1.bin"), [record(1), record(2)].concat()).unwrap();
    fs::write(folder.path().join("data_batch_3.bin"), record(3)).unwrap();
    fs::write(folder.path().join("test_batch.bin"), record(9)).unwrap();
    let (train, test) = read_cifar10(folder.path()).unwrap();
    assert_eq!((train.labels, test.labels), (vec![1, 2, 3], vec![9]));
    assert_eq!(train.features.shape, [3, 32, 32, 3]);
    assert_eq!(train.features.values[5], 0.2);
}

#[test]
fn files_may_lie_in_a_folder_of_their_own() {
    let outer = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let path = outer.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    let record = |label: u8| [vec![label], vec![51; 3072]].concat();
    let (a, b) = (folder("a"), folder("b"));
    fs::write(b.join("data_batch_1.bin"), record(1)).unwrap();
    fs::write(b.join("test_batch.bin"), record(2)).unwrap();
    let (train, test) = read_cifar10(outer.path()).unwrap();
    assert_eq!((train.labels, test.labels), (vec![1], vec![2]));

    let images = |path: &Path, stem: &str, label: u8| {
        let header = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28];
        let content = [&header[..], &[7; 28 * 28]].concat();
        fs::write(path.join(format!("{stem}-images-idx3-ubyte")), content).unwrap();
        let labels = [0, 0, 8, 1, 0, 0, 0, 1, label];
        fs::write(path.join(format!("{stem}-labels-idx1-ubyte")), labels).unwrap();
    };
    images(&a, "train", 3);
    images(&b, "train", 4);
    images(&b, "t10k", 5);
    assert_eq!(read_mnist(outer.path(), MnistPart::Train).unwrap().labels, [3]);
    // the test images of `b` are of another set
    let test = read_mnist(outer.path(), MnistPart::Test).unwrap_err();
    assert!(matches!(&test, DataError::Missing { folder, .. } if folder.ends_with('a')), "{test}");
    assert_eq!(read_mnist(&b, MnistPart::Test).unwrap().labels, [5]);
    images(outer.path(), "train", 6);
    assert_eq!(read_mnist(outer.path(), MnistPart::Train).unwrap().labels, [6]);
}
