//! The chapters, the code and the tests name the same rules: every label has its rule, its code and its test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Label = (String, u32);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `chapter-n` as a label; nothing if the text is none.
fn label(text: &str) -> Option<Label> {
    let (chapter, number) = text.rsplit_once('-')?;
    let named = !chapter.is_empty() && chapter.chars().all(|c| c.is_ascii_lowercase());
    let number = number.parse().ok().filter(|_| number.chars().all(|c| c.is_ascii_digit()))?;
    named.then(|| (chapter.to_owned(), number))
}

/// All labels in brackets.
fn labels(text: &str) -> BTreeSet<Label> {
    text.split('[').skip(1).filter_map(|rest| label(rest.split_once(']')?.0)).collect()
}

/// The chapters' rules: `**[chapter-n] Name.**` at the start of a line.
fn rules() -> BTreeMap<Label, PathBuf> {
    let mut rules = BTreeMap::new();
    for path in files(&root(), "md") {
        for line in read(&path).lines() {
            let Some(name) = line.strip_prefix("**[").and_then(|rest| rest.split_once(']')) else { continue };
            let label = label(name.0).unwrap_or_else(|| panic!("{}: no label: {line}", path.display()));
            assert!(rules.insert(label.clone(), path.clone()).is_none(), "{label:?} is stated twice");
        }
    }
    rules
}

/// Library code, without its tests.
fn code() -> String {
    let folders = [root().join("src"), root().join("../node/engine/src")];
    let sources = folders.iter().flat_map(|folder| files(folder, "rs"));
    sources.map(|path| read(&path).split("#[cfg(test)]").next().unwrap_or_default().to_owned()).collect()
}

/// All tests: integration tests, and the modules inside the sources.
fn tests() -> String {
    let folders = [root().join("tests"), root().join("../node/engine/tests")];
    let whole = folders.iter().flat_map(|folder| files(folder, "rs"));
    let node = files(&root().join("../node/src"), "rs").into_iter();
    let node = node.filter(|path| path.iter().any(|part| part == "tests" || part == "tests.rs"));
    let whole = whole.chain(node).map(|path| read(&path));
    let inside = [root().join("src"), root().join("../node/engine/src")];
    let inside = inside.iter().flat_map(|folder| files(folder, "rs")).map(|path| read(&path));
    whole.chain(inside.filter_map(|text| Some(text.split_once("#[cfg(test)]")?.1.to_owned()))).collect()
}

fn functions(text: &str) -> BTreeSet<&str> {
    text.split("fn ").skip(1).filter_map(|rest| Some(rest.split_once('(')?.0)).collect()
}

/// The README's table: each rule with the tests that hold it.
fn index() -> BTreeMap<Label, Vec<String>> {
    let text = read(&root().join("README.md"));
    let mut index = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let Some(label) = cells[0].split_whitespace().next().and_then(label) else { continue };
        let tests = cells.last().map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect());
        assert!(
            index.insert(label.clone(), tests.unwrap_or_default()).is_none(),
            "{label:?} stands twice in README.md"
        );
    }
    index
}

#[test]
fn rules_are_numbered_without_gaps() {
    let mut last: BTreeMap<String, u32> = BTreeMap::new();
    for (chapter, number) in rules().into_keys() {
        let before = last.insert(chapter.clone(), number).unwrap_or(0);
        assert_eq!(number, before + 1, "[{chapter}-{number}]");
    }
}

#[test]
fn every_rule_is_in_the_code_and_every_label_of_the_code_is_a_rule() {
    let stated: BTreeSet<Label> = rules().into_keys().collect();
    let used = labels(&code());
    assert_eq!(stated.difference(&used).collect::<Vec<_>>(), Vec::<&Label>::new(), "rules without code");
    assert_eq!(used.difference(&stated).collect::<Vec<_>>(), Vec::<&Label>::new(), "labels without a rule");
}

#[test]
fn chapters_refer_to_rules_that_there_are() {
    let stated: BTreeSet<Label> = rules().into_keys().collect();
    for path in files(&root(), "md") {
        let unknown: Vec<_> = labels(&read(&path)).difference(&stated).cloned().collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
    }
}

#[test]
fn every_rule_has_a_test_that_is_there() {
    let text = tests();
    let there = functions(&text);
    let index = index();
    for (chapter, number) in rules().into_keys() {
        let listed = index.get(&(chapter.clone(), number));
        let listed = listed.unwrap_or_else(|| panic!("[{chapter}-{number}] is not in README.md"));
        assert!(!listed.is_empty(), "[{chapter}-{number}] has no test");
        let missing: Vec<_> = listed.iter().filter(|name| !there.contains(name.as_str())).collect();
        assert!(missing.is_empty(), "[{chapter}-{number}]: {missing:?} are not there");
    }
    let stated: BTreeSet<Label> = rules().into_keys().collect();
    let gone: Vec<_> = index.into_keys().filter(|label| !stated.contains(label)).collect();
    assert!(gone.is_empty(), "README.md: {gone:?} are no rules");
}

/// A test called `chapter_n_…` is named after a rule, so the rule must be there.
#[test]
fn tests_are_named_after_rules_that_there_are() {
    let stated: BTreeSet<Label> = rules().into_keys().collect();
    let chapters: BTreeSet<&String> = stated.iter().map(|(chapter, _)| chapter).collect();
    let text = tests();
    for name in functions(&text) {
        let Some((chapter, rest)) = name.split_once('_') else { continue };
        let Some(number) = rest.split('_').next().and_then(|number| number.parse().ok()) else { continue };
        if chapters.contains(&chapter.to_owned()) {
            assert!(stated.contains(&(chapter.to_owned(), number)), "{name}");
        }
    }
    let unknown: Vec<_> = labels(&text).difference(&stated).cloned().collect();
    assert!(unknown.is_empty(), "tests name {unknown:?}");
}

/// The threat model promises no test that is not there.
#[test]
fn every_attack_has_a_test_that_is_there() {
    let (threats, text) = (read(&root().join("threats.md")), tests());
    let there = functions(&text);
    let rows = threats.split_once("| attack |").expect("the table of attacks").1;
    for row in rows.lines().filter(|line| line.starts_with("| ")) {
        let names: Vec<&str> = row.rsplit(" | ").next().unwrap_or_default().split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test: {row}");
        let missing: Vec<_> = names.iter().filter(|name| !there.contains(**name)).collect();
        assert!(missing.is_empty(), "{missing:?} are not there");
    }
}
