//! Draws. The outputs are plain digests without meaning.

use serde_json::json;

use crate::build::Build;

const CHAIN: &str = "9414886b1ebf025db067a4cbd13a0903fbd9733a5372bba1b58bd72c1699b798";
const OUTPUT: &str = "8287467fe79681619b9a77b32face65d3ec2d5f5d1125b2ae747f7fabba08983";
const NAMES: &str = "Ada\nBengt Ö\n李\nDora\nEmil\n";

pub fn build() -> Build {
    let mut build = Build::new();
    build.share("chain", json!(CHAIN)).share("output", json!(OUTPUT));
    good(&mut build);
    bound(&mut build);
    spelling(&mut build);
    bounds(&mut build);
    lists(&mut build);
    build
}

/// Draws of every kind.
fn good(build: &mut Build) {
    let many: String = (0..300).map(|number| format!("entry {number}\n")).collect();
    let weights: String = (0u64..60).map(|number| format!("w{number}\t{}\n", number * number + 1)).collect();
    let windows = format!("\u{feff}{}", NAMES.replace('\n', "\r\n"));
    let draws: [(&str, &str, u64, &str); 19] = [
        ("pick 1", NAMES, 1, "8287467fe79681619b9a77b32face65d3ec2d5f5d1125b2ae747f7fabba08983"),
        ("pick 3", &windows, 2, "117db2ff580f4ee7e196d337f2ed528e71d8e778b75d539d3c0e76e901758c41"),
        ("pick 5", NAMES, 3, "2f3ffc51318a24b710d0f23330b6d767018c53f3f95f353e1f649dfd59cab52d"),
        ("pick 20", &many, (1 << 53) + 1, "9e7aebdecae3a86785d0a169c6dde4d87f892398eaad98dfc9ad0fad60fea16b"),
        ("pick 1", "alone", 4, "69e3932c52a353c4cc410f98945966049276ec62b2fe5e36294f8d2f6b56e62a"),
        ("shuffle", NAMES, 5, "5b57d63ecd1bd696cc3c13e6c91d9e0efe93f7daa631397f3b991dc48f4655ff"),
        ("shuffle", &many, 6, "e7fd4134e67bd81106ce67a592fd874152edb38358bde11348b17b4bb515e63c"),
        ("pick 10", &weights, 7, "732c83725267d9b5c1f890c766e710bc41f986668c74534745fc1a226305c1c3"),
        ("pick 60", &weights, 8, "5501bd4f25ce03d87c22495687a69f2ff2999fe0ec317ff3339bfbc5e8946904"),
        (
            "pick 2",
            "a\t1\nb\t1000000\n c \t 3 \n\n",
            9,
            "2a2db93c85bb6d2e6a56c4fc6472594e761d80a786a3ea87fae7863be55911c0",
        ),
        ("dice 2d6", "", 10, "245cc6863492f3018d001c1b3d5fecaad0121c3d3cd597a0c927543e80102a34"),
        ("dice 300d20", "", 11, "8418fa826802ba935ff7d022fd2d00d597d1192a342af629ad6aac12f4145294"),
        ("dice 3d18446744073709551615", "", 12, "3e086378f02dfd2c32912cd9152879b060185732b6532c866682f619ac73620a"),
        ("range 1..49 times 6", "", 13, "d5fed4062086b6544fea685a4adb5f82b5a6d120f4c169a0c2f3b203e6b60194"),
        ("range -5..5 times 40", "", 14, "8d350130497d8649048c006e68a4a4d8502b3f4729035c70ba4e4fde61158a1e"),
        (
            "range -9223372036854775808..9223372036854775807 times 3",
            "",
            15,
            "5ff64bb3bed3fa7046df5a59f7b4e09a64cdedb992d3fedcd8b8608f9ef7a2e6",
        ),
        ("range 7..7 times 2", "", 16, "7a1ef6d4eb745edbb4adb23eaa4b2248cec51b83039f04617b36643e20d40b17"),
        ("bytes 32", "", 17, "758e4efb741e6b57fd424b1a8c75950d50a2c1eaa0103fdbe0fc3aaa4063dd09"),
        ("bytes 3000", "", 18, "70c9a4377a1de5e5d7200dc720db2d1e1ea8f86ca3aee9001463ede7bdad6ae5"),
    ];
    for (rules, text, round, output) in draws {
        // Above 2^53 a number is written as text.
        let number = if round > 1 << 53 { json!(round.to_string()) } else { json!(round) };
        let input = json!({ "rules": rules, "text": text, "round": number, "chain": "@chain", "output": output });
        build.case("draw", &format!("{rules}, round {round}"), "ok", input);
    }
}

/// One draw, and what it is bound to.
fn bound(build: &mut Build) {
    let other = "ee".repeat(32);
    let mut draw = |name: &str, rules: &str, text: &str, round: u64, chain: &str, output: &str| {
        let input = json!({ "rules": rules, "text": text, "round": round, "chain": chain, "output": output });
        build.case("draw", name, "ok", input);
    };
    draw("as it is", "pick 3", NAMES, 7, "@chain", "@output");
    draw("another output", "pick 3", NAMES, 7, "@chain", &other);
    draw("another chain", "pick 3", NAMES, 7, &other, "@output");
    draw("another round", "pick 3", NAMES, 8, "@chain", "@output");
    draw("other rules with the same beginning", "pick 2", NAMES, 7, "@chain", "@output");
    draw("another order", "pick 3", "Bengt Ö\nAda\n李\nDora\nEmil\n", 7, "@chain", "@output");
    draw("weights of 1, by weight", "pick 3", "Ada\t1\nBengt Ö\t1\n李\t1\nDora\t1\nEmil\t1\n", 7, "@chain", "@output");
    draw("almost every second number drawn again", "dice 40d9223372036854775809", "", 7, "@chain", "@output");
    draw("a die of one side", "dice 3d1", "", 7, "@chain", "@output");
    draw("one block and a byte", "bytes 1025", "", 7, "@chain", "@output");
}

/// Texts that are no rules.
fn spelling(build: &mut Build) {
    for rules in [
        "",
        "pick",
        "pick 03",
        "pick +3",
        "pick -3",
        "Pick 3",
        "pick 3 ",
        " pick 3",
        "pick  3",
        "pick 3\n",
        "pick ٣",
        "pick 18446744073709551616",
        "shuffle 3",
        "dice 2d",
        "dice 2D6",
        "dice 2d-6",
        "range 1..2",
        "range 1..2 times",
        "range 1...2 times 1",
        "range +1..2 times 1",
        "range -0..2 times 1",
        "range 1..9223372036854775808 times 1",
        "bytes -1",
        "bytes 0x10",
        "coin 1",
    ] {
        let input = json!({ "rules": rules, "text": "", "round": 7, "chain": "@chain", "output": "@output" });
        build.case("draw", &format!("{rules:?} is no text of rules"), "malformed", input);
    }
}

/// Rules that ask for nothing, for too much, or for what the list is not.
fn bounds(build: &mut Build) {
    let weighted = "a\t1\nb\t2\n";
    for (name, verdict, rules, text) in [
        ("a pick of more entries than there are", "bad-count", "pick 6", NAMES),
        ("a pick of none", "bad-count", "pick 0", NAMES),
        ("a pick from no list", "bad-count", "pick 1", ""),
        ("a shuffle of no list", "bad-count", "shuffle", "\n"),
        ("a shuffle by weight", "bad-parameter", "shuffle", weighted),
        ("dice beside a list", "bad-count", "dice 1d6", NAMES),
        ("bytes beside a list", "bad-count", "bytes 1", NAMES),
        ("dice without sides", "bad-parameter", "dice 1d0", ""),
        ("no dice", "bad-count", "dice 0d6", ""),
        ("no dice, without sides", "bad-parameter", "dice 0d0", ""),
        ("an empty range", "bad-parameter", "range 5..4 times 1", ""),
        ("no number of a range", "bad-count", "range 4..5 times 0", ""),
        ("more than a million dice", "bad-count", "dice 1000001d6", ""),
        ("more than a million bytes", "bad-count", "bytes 1000001", ""),
        ("a list that is none", "duplicate-entry", "pick 1", "a\na\n"),
    ] {
        let input = json!({ "rules": rules, "text": text, "round": 7, "chain": "@chain", "output": "@output" });
        build.case("draw", name, verdict, input);
    }
}

/// Lists as editors write them, and what is none.
fn lists(build: &mut Build) {
    for (name, verdict, bytes) in [
        ("five names", "ok", NAMES.as_bytes()),
        ("no LF at the end", "ok", "Ada\nBengt Ö\n李\nDora\nEmil".as_bytes()),
        ("CR LF and a byte order mark", "ok", "\u{feff}Ada\r\nBengt Ö\r\n李\r\nDora\r\nEmil\r\n".as_bytes()),
        ("CR", "ok", "Ada\rBengt Ö\r李\rDora\rEmil\r".as_bytes()),
        ("blanks, tabs and empty lines", "ok", "\n \n  Ada \t\n\tBengt Ö\n\n李\n\t\nDora\nEmil\n\n".as_bytes()),
        ("nothing", "ok", b""),
        ("a byte order mark and nothing else", "ok", "\u{feff}".as_bytes()),
        ("a second byte order mark is part of the name", "ok", "\u{feff}\u{feff}a\n".as_bytes()),
        ("blanks within a name count", "ok", b"a  b\na b\n"),
        (
            "other white space and other line ends are part of a name",
            "ok",
            "\u{a0}a\u{2028}b\u{85}\n\u{b}c\u{c}\n".as_bytes(),
        ),
        ("composed and decomposed letters are two names", "ok", "Ö\nO\u{308}\n".as_bytes()),
        ("a name with a NUL", "ok", b"a\0b\n"),
        ("names that differ in case", "ok", b"Ada\nada\n"),
        ("weights", "ok", b"a b\t5\nc \t 12\n d\t\t1000000 \n"),
        ("weights of 1", "ok", b"a\t1\nb\t1\n"),
        ("nothing behind the tab", "ok", b"a\t\nb\n"),
        ("nothing before the tab", "ok", b"\t5\n"),
        ("a weight with a name of digits", "ok", b"12\t5\n"),
        ("not UTF-8", "malformed", b"a\n\xff\n"),
        ("UTF-16", "malformed", b"\xff\xfea\0\n\0"),
        ("a surrogate", "malformed", b"\xed\xa0\x80\n"),
        ("an overlong encoding", "malformed", b"\xc1\xa1\n"),
        ("a truncated character", "malformed", b"a\xc3"),
        ("one name twice", "duplicate-entry", b"a\nb\na\n"),
        ("one name twice but for blanks", "duplicate-entry", b"a\n a\t\n"),
        ("one name with two weights", "duplicate-entry", b"a\t1\na\t2\n"),
        ("a line without weight below others", "mixed-weights", b"a\t1\nb\n"),
        ("a line with a weight below others", "mixed-weights", b"a\nb\t1\n"),
        ("a mixture in which a name stands twice", "mixed-weights", b"a\na\nb\t1\n"),
        ("a bad weight below a mixture", "mixed-weights", b"a\nb\t1\nc\t0\n"),
        ("a mixture below a bad weight", "bad-weight", b"a\t0\nb\n"),
        ("a weight of 0", "bad-weight", b"a\t0\n"),
        ("a leading zero", "bad-weight", b"a\t01\n"),
        ("a weight above a million", "bad-weight", b"a\t1000001\n"),
        ("a weight above 2^64", "bad-weight", b"a\t18446744073709551617\n"),
        ("a sign", "bad-weight", b"a\t+5\n"),
        ("a minus", "bad-weight", b"a\t-5\n"),
        ("a fraction", "bad-weight", b"a\t1.5\n"),
        ("digits of another script", "bad-weight", "a\t\u{665}\n".as_bytes()),
        ("a weight of words", "bad-weight", b"a\tb\n"),
        ("two weights", "bad-weight", b"a\t5\t5\n"),
    ] {
        build.case("draw-list", name, verdict, json!({ "list": hex::encode(bytes) }));
    }
    for (name, verdict, list) in [
        ("a million and one entries", "bad-count", "(610a)*1000001;"),
        ("64 MiB and a byte", "too-long", "(61)*67108865;"),
    ] {
        build.case("draw-list", name, verdict, json!({ "list": list }));
    }
}
