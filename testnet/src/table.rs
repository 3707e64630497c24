//! The live table: drawn over itself on a terminal, one line a round elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stderr, stdout};

use beacon_spec::chain::Beacon;

use crate::health::Health;
use crate::network::Network;
use crate::run::Show;
use crate::watch::{Seen, View};

/// Where a run shows itself.
pub enum Display {
    /// Lines that the next drawing goes over.
    Terminal {
        drawn: usize,
    },
    /// One line a round, on standard output or, when that carries JSON, on standard error.
    Lines {
        on_stderr: bool,
    },
    Nowhere,
}

impl Display {
    pub fn new(show: Show) -> Display {
        match show {
            Show::People if stdout().is_terminal() => Display::Terminal { drawn: 0 },
            Show::People => Display::Lines { on_stderr: false },
            Show::Json => Display::Lines { on_stderr: true },
            Show::Nothing => Display::Nowhere,
        }
    }

    /// Something that happened, above the table or between the lines.
    pub fn say(&mut self, what: &str) {
        match self {
            Display::Terminal { drawn } => {
                clear(*drawn);
                *drawn = 0;
                println!("{what}");
            }
            Display::Lines { .. } => eprintln!("{what}"),
            Display::Nowhere => {}
        }
    }

    /// A round was certified at a first subscriber.
    pub fn round(&mut self, beacon: &Beacon, latency: Option<f64>, view: &View, network: &Network) {
        let Display::Lines { on_stderr } = self else { return };
        let header = &beacon.header;
        let line = format!(
            "round {}  output {}  contributors {}/{}  weight {}/{}  latency {}",
            header.round,
            short(&header.output.to_string()),
            header.contributors,
            view.nodes.len(),
            header.weight,
            network.plan.total_weight(),
            milliseconds(latency),
        );
        if *on_stderr { eprintln!("{line}") } else { println!("{line}") }
    }

    /// Draws the table as things stand.
    pub fn draw(&mut self, network: &Network, view: &View, health: &[Option<Health>]) {
        let Display::Terminal { drawn } = self else { return };
        let width = rustix::termios::tcgetwinsize(stdout()).map_or(0, |size| usize::from(size.ws_col));
        let lines = table(network, view, health);
        clear(*drawn);
        let mut out = stdout().lock();
        for line in &lines {
            // A line that wrapped would spoil the count of lines to go over.
            let cut: String = if width > 0 { line.chars().take(width).collect() } else { line.clone() };
            let _ = writeln!(out, "{cut}");
        }
        let _ = out.flush();
        *drawn = lines.len();
    }
}

/// Moves up over so many lines and clears from there.
fn clear(lines: usize) {
    if lines > 0 {
        print!("\x1b[{lines}A\x1b[J");
        let _ = stderr().flush();
    }
}

fn table(network: &Network, view: &View, health: &[Option<Health>]) -> Vec<String> {
    let plan = &network.plan;
    let mut lines = vec![format!(
        "chain {}  period {} ms  window {}  total weight {}",
        network.chain,
        plan.period,
        plan.window,
        plan.total_weight()
    )];
    lines.push(match view.newest() {
        None => "waiting for round 1".into(),
        Some(beacon) => format!("round {}  output {}", beacon.header.round, beacon.header.output),
    });
    lines.push(String::new());
    lines.push(format!(
        "{:<5} {:<11} {:>9}  {:<16}  {:>12}  {:>13}  {:>9}  {:>5}  {}",
        "node", "state", "round", "output", "contributors", "weight", "latency", "peers", "http"
    ));
    let count = view.nodes.len();
    for (node, seen) in network.nodes.iter().zip(&view.nodes) {
        let state = match (node.runs(), node.withholding) {
            (false, _) => "down",
            (true, true) => "withholding",
            (true, false) => "up",
        };
        let peers = health.get(node.index).copied().flatten().and_then(|health| health.peers);
        let mut line = format!("{:<5} {state:<11} ", node.index);
        line += &cells(seen, count, plan.total_weight());
        let _ = write!(line, "  {:>5}  {}", peers.map_or("-".into(), |peers| peers.to_string()), node.endpoints.url());
        lines.push(line);
    }
    lines.push(String::new());
    lines.push(format!("logs in {}; Ctrl-C stops all nodes", network.home.path().display()));
    lines
}

fn cells(seen: &Seen, members: usize, total: u64) -> String {
    let Some(beacon) = &seen.latest else {
        return format!("{:>9}  {:<16}  {:>12}  {:>13}  {:>9}", "-", "-", "-", "-", "-");
    };
    let header = &beacon.header;
    format!(
        "{:>9}  {:<16}  {:>12}  {:>13}  {:>9}",
        header.round,
        short(&header.output.to_string()),
        format!("{}/{members}", header.contributors),
        format!("{}/{total}", header.weight),
        milliseconds(seen.latency),
    )
}

fn short(hex: &str) -> String {
    hex.chars().take(16).collect()
}

fn milliseconds(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.1} ms"))
}
