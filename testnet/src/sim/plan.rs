//! What a seed stands for: the committee, who of it is an adversary, and who must stay.

use std::collections::{BTreeMap, BTreeSet};

use beacon_spec::committee::Committee;

use super::adversary::NAMES;
use super::rng::Rng;
use super::setup::Setup;

/// Draws a network of 4 to 10 members. The second figure is the weight of the one member that has all that adversaries
/// may have, if there is one.
pub fn setup(seed: u64) -> (Setup, Option<u64>) {
    let mut rng = Rng::new(seed, "setup");
    let members = if rng.below(2) == 0 { 4 } else { rng.between(4, 10) as usize };
    let window = [1, 1, 1, 2, 3, 4][rng.below(6) as usize];
    let period = [0, 100, 250, 400, 1_000][rng.below(5) as usize];
    // Short enough that several committees come to force while everything may go wrong.
    let epoch_windows = rng.between(4, (8 / window).max(4));
    let (weights, heaviest) = loop {
        let drawn = weights(&mut rng, members);
        let total: u64 = drawn.0.iter().sum();
        if drawn.0.iter().all(|weight| weight * 3 < total) {
            break drawn;
        }
    };
    (Setup { weights, period, window, epoch_windows, keys: seed }, heaviest)
}

fn weights(rng: &mut Rng, members: usize) -> (Vec<u64>, Option<u64>) {
    match rng.below(4) {
        0 | 1 => (vec![30; members], None),
        2 => ((0..members).map(|_| rng.between(60, 100)).collect(), None),
        _ => {
            let mut weights: Vec<u64> = (1..members).map(|_| rng.between(60, 100)).collect();
            // The most that is less than a third of all: 3·w < w + others.
            let most = (weights.iter().sum::<u64>() - 1) / 2;
            weights.push(most);
            (weights, Some(most))
        }
    }
}

/// Who plays what.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    pub crimes: BTreeMap<usize, Vec<&'static str>>,
    /// Honest members of more than two thirds of the weight.
    pub core: BTreeSet<usize>,
}

/// Draws the adversaries, of less than a third of the weight, and the core.
pub fn cast(seed: u64, committee: &Committee, heaviest: Option<u64>) -> Cast {
    let mut rng = Rng::new(seed, "cast");
    let signers = committee.signers();
    let (members, total) = (signers.len(), signers.total_weight());
    let weight = |member: usize| signers.weight(member as u16);
    let mut crimes: BTreeMap<usize, Vec<&'static str>> = BTreeMap::new();
    let heavy = heaviest.and_then(|most| (0..members).find(|member| weight(*member) == most));
    if let Some(heavy) = heavy {
        crimes.insert(heavy, with_name(some(&mut rng), "heaviest"));
    } else if rng.below(6) > 0 {
        let mut bad = 0;
        for member in rng.order(members) {
            if 3 * (bad + weight(member)) < total {
                bad += weight(member);
                crimes.insert(member, some(&mut rng));
                if rng.below(2) == 0 {
                    break;
                }
            }
        }
    }
    let mut core: BTreeSet<usize> = (0..members).filter(|member| !crimes.contains_key(member)).collect();
    for member in rng.order(members) {
        let others: u64 = core.iter().filter(|other| **other != member).map(|other| weight(*other)).sum();
        if core.contains(&member) && 3 * others > 2 * total {
            core.remove(&member);
        }
    }
    Cast { crimes, core }
}

fn with_name(mut names: Vec<&'static str>, name: &'static str) -> Vec<&'static str> {
    names.retain(|other| *other != name);
    names.push(name);
    names
}

/// One crime, or up to three at once; exactly the most weight is no crime to choose.
fn some(rng: &mut Rng) -> Vec<&'static str> {
    let count = [1, 1, 2, 3][rng.below(4) as usize];
    let mut names: Vec<&'static str> = Vec::new();
    while names.len() < count {
        match rng.pick(&NAMES) {
            Some(name) if *name != "heaviest" && !names.contains(name) => names.push(name),
            _ => {}
        }
    }
    names
}
