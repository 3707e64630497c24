//! How well the network does, as one number from 0 to 1 and the parts it comes from.

use serde::{Deserialize, Serialize};

/// Each part from 0 to 1; absent while nothing is known of it. The whole is the worst of them, because a network is
/// as good as its weakest part: a mean would hide that half of the sources are muted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub quality: f64,
    /// Share of the trust weight whose dealings are in the newest round.
    pub participating_weight: Option<f64>,
    /// Share of the members with weight whose dealings are in it.
    pub contributors: Option<f64>,
    /// Share of the other members that this node is connected to.
    pub peers_up: Option<f64>,
    /// One over one more than the rounds that are late.
    pub timeliness: Option<f64>,
    pub rounds_late: u64,
    /// Share of the credited sources that are healthy.
    pub sources_healthy: Option<f64>,
}

/// `have` of `all`; nothing is known when there is none.
pub fn share(have: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| have.min(all) as f64 / all as f64)
}

impl Quality {
    /// The same with so many rounds late, and the whole computed.
    #[must_use]
    pub fn at(mut self, rounds_late: u64) -> Quality {
        self.rounds_late = rounds_late;
        self.timeliness = Some(1.0 / (rounds_late as f64 + 1.0));
        let parts =
            [self.participating_weight, self.contributors, self.peers_up, self.timeliness, self.sources_healthy];
        self.quality = parts.into_iter().flatten().fold(1.0, f64::min);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides() {
        let good = Quality {
            participating_weight: share(100, 100),
            contributors: share(4, 4),
            peers_up: share(3, 3),
            sources_healthy: share(6, 6),
            ..Quality::default()
        };
        assert_eq!(good.clone().at(0).quality, 1.0);
        assert_eq!(good.clone().at(1).quality, 0.5);
        assert_eq!(Quality { peers_up: share(2, 3), ..good.clone() }.at(0).quality, 2.0 / 3.0);
        assert_eq!(Quality { sources_healthy: share(1, 6), ..good.clone() }.at(1).quality, 1.0 / 6.0);
        assert_eq!(Quality { participating_weight: share(0, 10), ..good }.at(0).quality, 0.0);
        assert_eq!(Quality::default().at(0).quality, 1.0, "nothing known is held against nobody");
        assert_eq!((share(0, 0), share(5, 4)), (None, Some(1.0)));
    }
}
