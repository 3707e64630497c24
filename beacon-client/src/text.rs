//! Text that others chose, made safe to look at: names of a list, words of a server.
//!
//! A terminal obeys control characters, and both terminals and browsers turn lines around or hide parts of them where
//! Unicode says so. What does that is shown as what it is; line ends and tabs stay.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character does something to the text around it instead of being seen. Joiners are letters of some scripts.
fn is_hidden(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' => true,
        '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        other => other.is_control(),
    }
}

fn replaced(text: &str, write: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) { write(&mut shown, character) } else { shown.push(character) }
    }
    Cow::Owned(shown)
}

/// The text with `[U+202E]` in place of what would not be seen as it is.
pub fn visible(text: &str) -> Cow<'_, str> {
    replaced(text, |shown, character| {
        // Writing to a string cannot fail.
        let _ = write!(shown, "[U+{:04X}]", u32::from(character));
    })
}

/// JSON that means the same, with escapes such as `\u202e` in place of what would not be seen as it is. Outside of its
/// strings JSON has no such characters.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    replaced(json, |shown, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_or_hides_text_is_named() {
        for plain in ["Ada", "Zoë 🎲 مریم\u{200c}ها", "a\tb\nc", ""] {
            assert!(matches!(visible(plain), Cow::Borrowed(same) if same == plain));
        }
        assert_eq!(visible("\x1b[2Jx\u{202e}y\u{7f}\u{9b}0m\r"), "[U+001B][2Jx[U+202E]y[U+007F][U+009B]0m[U+000D]");
        assert_eq!(visible("\u{feff}\u{200b}\u{2028}\u{e0041}"), "[U+FEFF][U+200B][U+2028][U+E0041]");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = "a\x1b\u{7f}\u{85}\u{202e}\u{e0041}🎲";
        let json = serde_json::to_string(text).expect("JSON");
        let shown = visible_json(&json);
        assert!(!shown.contains(is_hidden));
        assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), text);
    }
}
