//! The frozen vectors against the library. Each file belongs to a chapter; a case names what it must come out as.

mod format;
mod judge;

use std::collections::BTreeSet;

use judge::{File, judge};

fn check(text: &str, kinds: &[&str]) {
    let file: File = serde_json::from_str(text).expect("a vector file");
    let mut names = BTreeSet::new();
    for case in &file.cases {
        assert!(names.insert((&case.kind, &case.name)), "{} {} stands twice", case.kind, case.name);
        assert_eq!(judge(&case.kind, &file.inputs(case)), case.output, "{} {}", case.kind, case.name);
    }
    let there: BTreeSet<&str> = file.cases.iter().map(|case| case.kind.as_str()).collect();
    assert_eq!(there, kinds.iter().copied().collect(), "kinds of cases");
}

/// Rules [certify-3] and [certify-4].
#[test]
fn certify_4_vectors() {
    check(include_str!("../../vectors/certificate.json"), &["certificate", "assembly"]);
}

/// Rules [chain-1] [chain-2] [chain-3] [chain-4] and [trust-1] [trust-2] [trust-3] [trust-4] [trust-5].
#[test]
fn chain_4_trust_5_vectors() {
    let kinds = ["header", "beacon", "follow", "leap", "past", "hand-over", "mmr-proof"];
    check(include_str!("../../vectors/chain.json"), &kinds);
}

/// Rule [chain-5], and through it [mix-1], [mix-2] and the dealing's.
#[test]
fn chain_5_vectors() {
    check(include_str!("../../vectors/transcript.json"), &["transcript"]);
}

/// Rules [bundle-1] [bundle-2] [bundle-3] [bundle-4], [pvss-3].
#[test]
fn bundle_3_vectors() {
    check(include_str!("../../vectors/bundle.json"), &["bundle"]);
}

/// Rules [committee-1] [committee-2] [committee-3] [committee-4] [committee-5] [committee-6].
#[test]
fn committee_4_vectors() {
    check(include_str!("../../vectors/committee.json"), &["committee", "signers", "member-list"]);
}

/// Rules [genesis-1] [genesis-2] [genesis-3] [genesis-4] [genesis-5].
#[test]
fn genesis_4_vectors() {
    check(include_str!("../../vectors/genesis.json"), &["draft", "genesis", "light-genesis"]);
}

/// Rules [commit-1] [commit-2] [commit-3], [deal-1], [open-2], [certify-1], [agree-1].
#[test]
fn commit_3_vectors() {
    let kinds = ["commitment", "signed-commitment", "ready", "header-vote", "value"];
    check(include_str!("../../vectors/message.json"), &kinds);
}

/// Rules [evidence-1] [evidence-2] [evidence-3] [evidence-4].
#[test]
fn evidence_3_vectors() {
    check(include_str!("../../vectors/evidence.json"), &["evidence"]);
}

/// Rules [consensus-1] [consensus-2] [consensus-3] [consensus-4] [consensus-5] [consensus-6] [consensus-7] [consensus-8] [consensus-9].
#[test]
fn consensus_6_vectors() {
    let kinds = [
        "vote",
        "proposal",
        "commit-certificate",
        "polka-certificate",
        "round-certificate",
        "vote-conflict",
        "proposal-conflict",
        "proposer",
    ];
    check(include_str!("../../vectors/consensus.json"), &kinds);
}

/// Rules [mix-1] [mix-2] [mix-3].
#[test]
fn mix_2_vectors() {
    check(include_str!("../../vectors/mix.json"), &["mix", "expand"]);
}

/// Rules [draw-1] to [draw-12].
#[test]
fn draw_12_vectors() {
    check(include_str!("../../vectors/draw.json"), &["draw", "draw-list"]);
}

/// Rules [pvss-2], [pvss-7] and [pvss-12].
#[test]
fn pvss_7_encoding_vectors() {
    check(include_str!("../../vectors/points.json"), &["point", "scalar", "ticket-key", "recover"]);
}

/// Rules [registry-1] [registry-2] [registry-3] [registry-4] [registry-5] [registry-6] [registry-7] [registry-8] [registry-9] [registry-10] [registry-11] [registry-12].
#[test]
fn registry_6_vectors() {
    check(include_str!("../../vectors/registry.json"), &["registry", "next-committee"]);
}

/// Rule [codec-1]: the fields of every type that travels.
#[test]
fn codec_1_format_vectors() {
    let kinds = [
        "KeyBundle",
        "Member",
        "MemberList",
        "SignerList",
        "Draft",
        "Genesis",
        "LightGenesis",
        "Dealing",
        "Share",
        "Commitment",
        "Opening",
        "Ready",
        "Shares",
        "HeaderVote",
        "Evidence",
        "Registration",
        "Change",
        "Amendment",
        "Value",
        "Vote",
        "Proposal",
        "ConsensusMessage",
        "CommitCertificate",
        "Certificate",
        "Header",
        "Beacon",
        "Transcript",
        "Mmr",
        "MmrProof",
    ];
    check(include_str!("../../vectors/formats.json"), &kinds);
}
