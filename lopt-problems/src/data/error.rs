//! What can be wrong with a data file.

use std::io;

/// Why a data set could not be read; every variant names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// None of the names under which a file is known exists.
    #[error("expected {} in `{folder}` or a folder inside it, found none", names.join(" or "))]
    Missing {
        /// The folder that was searched.
        folder: String,
        /// The names that would do.
        names: Vec<String>,
    },
    /// The operating system or the decompressor gave up.
    #[error("reading `{file}` failed after {offset} bytes: {source}")]
    Io {
        /// Path of the file.
        file: String,
        /// Bytes of (decompressed) content read before.
        offset: usize,
        /// The cause.
        source: io::Error,
    },
    /// The content is larger than any file of the format we accept.
    #[error("`{file}` holds more than the accepted {limit} bytes")]
    TooLarge {
        /// Path of the file.
        file: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A header field has an unexpected value.
    #[error("`{file}` has {found} at offset {offset}, expected {expected}")]
    Header {
        /// Path of the file.
        file: String,
        /// Position of the field.
        offset: usize,
        /// What the format has there.
        expected: String,
        /// What the file has there.
        found: u32,
    },
    /// The file is shorter or longer than its header or format says.
    #[error("`{file}` has {found} bytes from offset {offset} on, expected {expected}")]
    Length {
        /// Path of the file.
        file: String,
        /// Where the part in question begins.
        offset: usize,
        /// How many bytes should follow.
        expected: String,
        /// How many bytes follow.
        found: usize,
    },
    /// A label is not one of the classes.
    #[error("`{file}` has the label {label} at offset {offset}, expected less than {classes}")]
    Label {
        /// Path of the file.
        file: String,
        /// Position of the label.
        offset: usize,
        /// The label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
    /// Images and labels do not match in number.
    #[error("`{images}` holds {image_count} images but `{labels}` {label_count} labels")]
    CountMismatch {
        /// Path of the images.
        images: String,
        /// Number of images.
        image_count: usize,
        /// Path of the labels.
        labels: String,
        /// Number of labels.
        label_count: usize,
    },
}
