//! The scenario files, played by processes as the simulator plays them.

use beacon_testnet::scenarios::command::files;
use beacon_testnet::scenarios::step::On;

use crate::harness::{Net, directory};

/// Files that other tests play, to look closer at what is left.
const ELSEWHERE: [&str; 3] = ["happy-path", "withheld-openings", "clock-skew"];

#[tokio::test(flavor = "multi_thread")]
async fn processes_play_every_file_that_is_for_them() {
    let scenarios = files(&directory()).unwrap();
    let names: Vec<String> = scenarios
        .into_iter()
        .filter(|(_, scenario)| scenario.on.contains(&On::Processes))
        .map(|(_, scenario)| scenario.name)
        .collect();
    assert!(names.len() >= 6, "{names:?}");
    for name in ELSEWHERE {
        assert!(names.iter().any(|known| known == name), "there is no {name}.toml");
    }
    for name in names.iter().filter(|name| !ELSEWHERE.contains(&name.as_str())) {
        Net::played(name).await.finish().await;
    }
}
