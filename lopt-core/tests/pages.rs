//! The pages of the repository: links lead somewhere, rows of tables are whole, and the index has every page.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Every page, and the folder of each is where its links start.
fn pages() -> Vec<PathBuf> {
    let crates = ["lopt-burn", "lopt-candle", "lopt-core/tests/data"];
    let folders = ["", "docs", "benchmarks", "meta-training"].into_iter().chain(crates);
    let folders = folders.map(|folder| {
        let entries = fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    });
    folders.flatten().filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

/// The anchors of a page: its headings as GitHub writes them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
    let anchor = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let (mut seen, mut broken) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets.filter(|(target, _)| !target.contains("://")) {
            seen += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let found = match anchor {
                "" => path.exists(),
                _ => fs::read_to_string(&path)
                    .is_ok_and(|text| anchors(&text).iter().any(|name| name == anchor)),
            };
            if !found {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(seen > 50, "only {seen} links were found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_row_of_a_table_has_as_many_cells_as_its_head() {
    let mut broken = Vec::new();
    for page in pages() {
        let mut head = None;
        for line in fs::read_to_string(&page).unwrap().lines() {
            let cells = line.starts_with('|').then(|| line.matches('|').count());
            head = cells.and(head).or(cells);
            if cells != head {
                broken.push(format!("{}: {line}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_is_in_the_index() {
    let index = fs::read_to_string(Path::new(ROOT).join("docs/README.md")).unwrap();
    for entry in fs::read_dir(Path::new(ROOT).join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name != "README.md" {
            assert!(index.contains(&format!("]({name})")), "{name} is not in docs/README.md");
        }
    }
}

/// Pages that source code and other pages name by their path in the repository.
#[test]
fn every_page_that_is_named_exists() {
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "toml") {
                found.push(path);
            }
        }
    }
    let mut found = pages();
    for entry in fs::read_dir(ROOT).unwrap() {
        let path = entry.unwrap().path();
        let is_crate = path.join("Cargo.toml").exists();
        for part in ["src", "tests", "examples", "recipes"].iter().filter(|_| is_crate) {
            let folder = path.join(part);
            if folder.is_dir() {
                sources(&folder, &mut found);
            }
        }
    }
    let mut missing = Vec::new();
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        for word in text.split(|c: char| c.is_whitespace() || "`()[]\"".contains(c)) {
            let word = word.trim_end_matches(['.', ',', ';', ':']);
            let names_a_page = word.starts_with("docs/") || word.starts_with("meta-training/");
            if names_a_page && word.ends_with(".md") && !Path::new(ROOT).join(word).exists() {
                missing.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
