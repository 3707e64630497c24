//! Rules of specs/draw.md that no vector of a readable size shows, and what refusals tell people.

use beacon_spec::draw::{BadList, BadRules, List, MAX_ENTRIES, MAX_LIST_BYTES, Rules, hash};
use beacon_spec::hash::Digest32;
use beacon_spec::reject::Reject;

fn list(text: &str) -> List {
    List::parse(text.as_bytes()).expect("a list")
}

#[test]
fn draw_1_the_longest_list_is_read_and_no_longer_one() {
    let mut bytes = vec![b'a'; MAX_LIST_BYTES];
    assert_eq!(List::parse(&bytes).expect("a list").entries().len(), 1);
    bytes.push(b'\n');
    assert_eq!(List::parse(&bytes), Err(BadList::TooLong));
}

#[test]
fn draw_2_the_canonical_text_reads_back_as_the_same_list() {
    for text in ["", "a", "  Ada \t\r\n\r\nBengt Ö\r李", "a b\t5\nc \t 12\n", "a\t1\nb\t1"] {
        let read = list(text);
        assert_eq!(list(&read.to_text()), read, "{text:?}");
    }
}

#[test]
fn draw_3_a_million_entries_and_no_more() {
    let mut text: String = (0..MAX_ENTRIES).map(|number| format!("{number}\n")).collect();
    assert_eq!(list(&text).entries().len(), MAX_ENTRIES);
    text.push_str("one more\n");
    assert_eq!(List::parse(text.as_bytes()), Err(BadList::TooMany));
}

#[test]
fn draw_3_refusals_name_the_line_whatever_ends_lines() {
    for (bytes, message) in [
        (&b"a\nb\na\n"[..], "line 3: \"a\" stands in line 1 already"),
        (b"a\r\rb\r\na", "line 4: \"a\" stands in line 1 already"),
        (b"a\r\n\r\n\xff\n", "line 3 is not UTF-8: save the list in that encoding"),
        (b"a\r\xff", "line 2 is not UTF-8: save the list in that encoding"),
        (b"a\t1\n\nb\n", "line 3: either all entries have a weight or none"),
        (b"\na\t0\n", "line 2: a weight is a whole number from 1 to 1000000, after the only tab"),
    ] {
        assert_eq!(List::parse(bytes).expect_err("no list").to_string(), message);
    }
}

#[test]
fn draw_5_rules_have_one_spelling() {
    for text in ["pick 3", "shuffle", "dice 2d6", "range -5..5 times 2", "bytes 32"] {
        assert_eq!(text.parse::<Rules>().expect("rules").to_string(), text);
    }
    assert_eq!(Rules::dice("2d6").expect("dice").to_string(), "dice 2d6");
    assert_eq!(Rules::range("-5..5", 2).expect("a range").to_string(), "range -5..5 times 2");
    assert_eq!("pick 03".parse::<Rules>(), Err(BadRules::Malformed));
}

#[test]
fn draw_6_nothing_is_drawn_by_rules_that_do_not_fit() {
    let drawn = |rules: Rules, list: &List| rules.draw(list, &Digest32::ZERO, &Digest32::ZERO);
    let (three, none) = (list("a\nb\nc"), List::default());
    assert_eq!(drawn(Rules::Pick { count: 4 }, &three), Err(BadRules::TooFewEntries { count: 4, entries: 3 }));
    assert_eq!(drawn(Rules::Bytes { count: 1_000_001 }, &none), Err(BadRules::BadCount { results: 1_000_001 }));
    assert_eq!(drawn(Rules::Bytes { count: 1_000_000 }, &none).expect("bytes")[0].len(), 2_000_000);
    assert_eq!(BadRules::WeightedShuffle.reject(), Reject::BadParameter);
}

#[test]
fn draw_7_the_draw_hash_covers_every_field() {
    let (rules, listed) = (Rules::Pick { count: 1 }, list("a\nb").hash());
    let plain = hash(&Digest32::ZERO, 1, &rules, &listed);
    for other in [
        hash(&Digest32([1; 32]), 1, &rules, &listed),
        hash(&Digest32::ZERO, 2, &rules, &listed),
        hash(&Digest32::ZERO, 1, &Rules::Pick { count: 2 }, &listed),
        hash(&Digest32::ZERO, 1, &rules, &list("b\na").hash()),
    ] {
        assert_ne!(other, plain);
    }
}

#[test]
fn draw_10_a_shuffle_is_a_permutation() {
    let text: String = (0..500).map(|number| format!("{number}\n")).collect();
    let list = list(&text);
    let mut drawn = Rules::Shuffle.draw(&list, &Digest32([9; 32]), &Digest32([8; 32])).expect("a shuffle");
    let mut names: Vec<String> = list.entries().iter().map(|entry| entry.name.clone()).collect();
    assert_ne!(drawn, names);
    drawn.sort();
    names.sort();
    assert_eq!(drawn, names);
}

#[test]
fn draw_11_by_weight_the_heavy_come_early() {
    let list = list("light\t1\nheavy\t1000\n");
    let drawn = |output: u8| {
        Rules::Pick { count: 1 }.draw(&list, &Digest32([output; 32]), &Digest32::ZERO).expect("a pick").remove(0)
    };
    // Of 256 fixed draws one in a thousand is expected to be the light one.
    assert!((0..=255).filter(|output| drawn(*output) == "light").count() <= 3);
}
