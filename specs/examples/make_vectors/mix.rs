//! Mixing and expansion.

use beacon_spec::hash::Digest32;
use beacon_spec::message::SetEntry;
use serde_json::{Value, json};

use crate::build::{Build, with};
use crate::world::seed;

fn inputs(members: &[u16]) -> Value {
    let digest = |label, member: u16| Digest32(seed(label, &[member.into()]));
    let dealings = members.iter().map(|member| SetEntry { member: *member, commitment: digest("dealing", *member) });
    json!({
        "chain": digest("chain", 0),
        "round": 7,
        "previous": digest("previous", 0),
        "dealings": dealings.collect::<Vec<_>>(),
        "secrets": members.iter().map(|member| (*member, digest("secret", *member))).collect::<Vec<_>>(),
    })
}

const OTHER: Digest32 = Digest32([0xee; 32]);

pub fn build() -> Build {
    let mut build = Build::new();
    for members in [&[0][..], &[0, 1], &[0, 1, 2], &[1, 2, 4, 7, 511], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
        build.case("mix", &format!("{members:?}"), "ok", inputs(members));
    }
    let good = inputs(&[0, 1, 2]);
    type Change = (&'static str, fn(&mut Value));
    let changed: [Change; 9] = [
        ("another chain", |v| v["chain"] = json!(OTHER)),
        ("another round", |v| v["round"] = json!(8)),
        ("another header before", |v| v["previous"] = json!(OTHER)),
        ("another dealing", |v| v["dealings"][1]["commitment"] = json!(OTHER)),
        ("another member's dealing", |v| v["dealings"][2]["member"] = json!(3)),
        ("another secret", |v| v["secrets"][1][1] = json!(OTHER)),
        ("another member's secret", |v| v["secrets"][2][0] = json!(3)),
        ("a secret of zeros, the identity", |v| v["secrets"][0][1] = json!(Digest32::ZERO)),
        ("a round above 2^32", |v| v["round"] = json!(1u64 << 40)),
    ];
    for (name, change) in changed {
        build.case("mix", name, "ok", with(&good, change));
    }
    let mut expand = |name: &str, verdict: &str, label: &[u8], length: usize| {
        let input = json!({ "output": Digest32(seed("output", &[])), "label": hex::encode(label), "length": length });
        build.case("expand", name, verdict, input);
    };
    expand("64 bytes", "ok", b"512", 64);
    expand("one byte", "ok", b"512", 1);
    expand("no bytes", "ok", b"512", 0);
    expand("another label", "ok", b"dice", 64);
    expand("no label", "ok", b"", 33);
    expand("a label of 200 bytes", "ok", &[0xaa; 200], 31);
    expand("1000 bytes", "ok", b"long", 1000);
    expand("8160 bytes", "ok", b"longest", 8160);
    expand("8161 bytes", "expand-too-long", b"longest", 8161);
    build
}
