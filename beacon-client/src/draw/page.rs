//! The proof page of a draw: HTML for people, beside the JSON for programs.

use std::fmt::Write;

use super::Outcome;
use crate::time;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222}\
code,pre{font:13px/1.4 ui-monospace,monospace;word-break:break-all;white-space:pre-wrap;background:#f4f4f4}\
pre{padding:.8rem}th{text-align:left;vertical-align:top;padding-right:1rem;white-space:nowrap}li{margin:.1rem 0}\
.results{font-size:1.2rem}";
/// Results shown on the page; the JSON has them all.
const SHOWN: usize = 1000;

/// The page of an outcome. `file` is the name of the JSON beside it.
pub fn html(outcome: &Outcome, file: &str) -> String {
    let commitment = &outcome.commitment;
    let mut page = String::new();
    let rows = [
        ("Rules", commitment.rules.clone()),
        ("Entries", commitment.entries.to_string()),
        ("Round", format!("{}, due {}", commitment.round, time::format(commitment.due))),
        ("Chain", commitment.chain.to_string()),
        ("List hash", commitment.list.to_string()),
        ("Draw hash", commitment.draw.to_string()),
        ("Output of the round", outcome.output.to_string()),
    ];
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Draw {}</title><style>{STYLE}</style></head><body>\n<h1>Draw</h1>\n",
        &commitment.draw.to_string()[..8],
    );
    page.push_str("<ol class=\"results\">\n");
    for result in outcome.results.iter().take(SHOWN) {
        let _ = writeln!(page, "<li>{}</li>", escape(result));
    }
    page.push_str("</ol>\n");
    if outcome.results.len() > SHOWN {
        let _ = writeln!(page, "<p>… and {} more in the JSON.</p>", outcome.results.len() - SHOWN);
    }
    page.push_str("<h2>What was drawn from what</h2>\n<table>\n");
    for (name, value) in rows {
        let _ = writeln!(page, "<tr><th>{name}</th><td><code>{}</code></td></tr>", escape(&value));
    }
    let _ = write!(
        page,
        "</table>\n<h2>How to check it</h2>\n<p>The draw hash covers chain, round, rules and list. If it was published \
         before the round was due, nobody could choose the result: the round's output did not exist, and the result \
         follows from it alone. With the chain hash from somebody you trust, the command below verifies the round from \
         that hash, the list, the rules and every result, without any network.</p>\n\
         <pre>beacon draw check {} --chain {}</pre>\n<h2>The list</h2>\n<pre>{}</pre>\n</body></html>\n",
        escape(file),
        commitment.chain,
        escape(&outcome.list),
    );
    page
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What would turn the reading order of a line around is shown as what it is.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\0'..='\u{8}' | '\u{b}'..='\u{1f}' => {
                let _ = write!(escaped, "[U+{:04X}]", u32::from(character));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn names_are_text_and_nothing_else() {
        assert_eq!(escape("<b a=\"1\">&'\u{202e}x"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;[U+202E]x");
    }
}
