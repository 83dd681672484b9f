//! "Did you mean": the known names nearest to a mistyped one.

use crate::error::CliError;

/// At most three names that `wanted` may have meant, nearest first.
///
/// A name is near if a third of its letters (at least two) need an edit, or if one contains the
/// other.
pub fn near_names<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let limit = 2.max(wanted.chars().count() / 3);
    let near = |name: &'a str| {
        let lower = name.to_lowercase();
        let edits = edit_distance(&wanted, &lower);
        let contained = wanted.len() >= 3 && (lower.contains(&wanted) || wanted.contains(&lower));
        (edits <= limit || contained).then_some((edits, name))
    };
    let mut near: Vec<(usize, &str)> = names.into_iter().filter_map(near).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// The refusal of a name that nothing of this kind has, with what may have been meant.
pub fn unknown<'a>(kind: &str, wanted: &str, names: impl IntoIterator<Item = &'a str>) -> CliError {
    let names: Vec<&str> = names.into_iter().collect();
    let meant = match meant(wanted, &names) {
        None if kind == "problem" => "`lopt problems` lists them".to_owned(),
        meant => meant.unwrap_or_else(|| format!("there are {}", names.join(", "))),
    };
    CliError::Usage(format!("no {kind} is called `{wanted}`; {meant}"))
}

/// The refusal of what is neither a file nor the name of something built in of this kind.
pub fn unknown_or_missing(kind: &str, wanted: &str, names: &[&str]) -> CliError {
    let meant = meant(wanted, names).unwrap_or_else(|| format!("there are {}", names.join(", ")));
    CliError::Failed(format!(
        "there is no file `{wanted}` and no built-in {kind} of that name; {meant}"
    ))
}

/// "did you mean", if a name is near.
fn meant(wanted: &str, names: &[&str]) -> Option<String> {
    let near = near_names(wanted, names.iter().copied());
    (!near.is_empty()).then(|| format!("did you mean {}?", near.join(" or ")))
}

/// Refuses the first of several names that nothing of this kind has.
///
/// # Errors
///
/// If there is one.
pub fn refuse_strangers<'a>(
    kind: &str,
    wanted: &[String],
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), CliError> {
    let names: Vec<&str> = names.into_iter().collect();
    match wanted.iter().find(|wanted| !names.contains(&wanted.as_str())) {
        Some(stranger) => Err(unknown(kind, stranger, names)),
        None => Ok(()),
    }
}

/// Fewest insertions, deletions and substitutions that turn `a` into `b` (Levenshtein 1966).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("abc", "abc"), 0);
    }

    #[test]
    fn typing_errors_are_understood() {
        let names = ["digits-mlp", "mnist-mlp", "mnist-conv", "rosenbrock"];
        assert_eq!(near_names("digit-mlp", names), ["digits-mlp"]);
        assert_eq!(near_names("Rosenbrok", names), ["rosenbrock"]);
        assert_eq!(near_names("mnist", names), ["mnist-mlp", "mnist-conv"]);
        assert!(near_names("xyzzy-plugh", names).is_empty());
    }
}
