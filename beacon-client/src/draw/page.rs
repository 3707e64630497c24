//! The proof page of a draw: HTML for people, beside the JSON for programs. It loads nothing and runs nothing.

use std::fmt::Write;

use super::Outcome;
use crate::text::visible;
use crate::time;

const STYLE: &str = include_str!("page.css");
/// Results shown on the page; the JSON has them all.
const SHOWN: usize = 1000;

/// The page of an outcome. `file` is the name of the JSON beside it.
pub fn html(outcome: &Outcome, file: &str) -> String {
    let commitment = &outcome.commitment;
    let name = &commitment.draw.to_string()[..8];
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Draw {name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Draw <code>{name}</code></h1>\n"
    );
    // Writing to a string cannot fail.
    let from = if commitment.entries > 0 { format!(" from {} entries", commitment.entries) } else { String::new() };
    let (rules, due) = (escape(&commitment.rules), time::format(commitment.due));
    let _ =
        writeln!(page, "<p class=\"rules\">{rules}{from}, by round {}, due <time>{due}</time></p>", commitment.round);
    results(&mut page, &outcome.results);
    facts(&mut page, outcome);
    let _ = write!(
        page,
        "<h2>How to check it</h2>\n<p>The draw hash covers chain, round, rules and list. If it was published before the \
         round was due, nobody could choose the result: the round's output did not exist, and the result follows from \
         it alone. With the chain hash from somebody you trust, this command verifies the round from that hash on, the \
         list, the rules and every result, without any network:</p>\n<pre>beacon draw check {} --chain {}</pre>\n",
        escape(&quoted(file)),
        commitment.chain,
    );
    if !outcome.list.is_empty() {
        let entries = if commitment.entries == 1 { "entry" } else { "entries" };
        let _ = write!(
            page,
            "<details open>\n<summary>The list, {} {entries}</summary>\n<pre class=\"list\">{}</pre>\n</details>\n",
            commitment.entries,
            escape(&outcome.list),
        );
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn results(page: &mut String, results: &[String]) {
    let kind = if results.len() == 1 { "results one" } else { "results" };
    let _ = writeln!(page, "<ol class=\"{kind}\">");
    for result in results.iter().take(SHOWN) {
        let _ = writeln!(page, "<li><bdi>{}</bdi></li>", escape(result));
    }
    page.push_str("</ol>\n");
    if results.len() > SHOWN {
        let _ = writeln!(page, "<p>… and {} more in the JSON.</p>", results.len() - SHOWN);
    }
}

fn facts(page: &mut String, outcome: &Outcome) {
    let commitment = &outcome.commitment;
    let rows = [
        ("Chain", Some(commitment.chain)),
        ("List hash", Some(commitment.list).filter(|_| commitment.entries > 0)),
        ("Draw hash", Some(commitment.draw)),
        ("Output of the round", Some(outcome.output)),
    ];
    page.push_str("<h2>What was drawn from what</h2>\n<dl>\n");
    for (name, hash) in rows.into_iter().filter_map(|(name, hash)| Some((name, hash?))) {
        let _ = writeln!(page, "<dt>{name}</dt><dd><code>{hash}</code></dd>");
    }
    page.push_str("</dl>\n");
}

/// A file's name as a shell takes it for one word.
fn quoted(name: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "._-/+,@".contains(letter);
    if name.chars().all(plain) { name.to_owned() } else { format!("'{}'", name.replace('\'', r"'\''")) }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in visible(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{escape, quoted};

    #[test]
    fn commands_are_to_be_copied() {
        assert_eq!(quoted("draw.result.json"), "draw.result.json");
        assert_eq!(quoted("Anna's draw.json"), r"'Anna'\''s draw.json'");
    }

    #[test]
    fn names_are_text_and_nothing_else() {
        assert_eq!(escape("<b a=\"1\">&'\u{202e}x"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;[U+202E]x");
    }
}
