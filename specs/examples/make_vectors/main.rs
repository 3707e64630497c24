//! Writes the vectors of one chapter to standard output: `make_vectors NAME`. The files in `vectors/` are its frozen
//! output, which the tests check and never write.

#[path = "../../tests/vectors/format.rs"]
mod format;
#[path = "../../tests/vectors/judge.rs"]
mod judge;
#[path = "../../tests/vectors/world.rs"]
mod world;

mod build;
mod bundle;
mod certificate;
mod chain;
mod committee;
mod consensus;
mod draw;
mod evidence;
mod formats;
mod genesis;
mod message;
mod mix;
mod points;
mod registry;
mod transcript;

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let build = match name.as_str() {
        "bundle" => bundle::build(),
        "certificate" => certificate::build(),
        "chain" => chain::build(),
        "committee" => committee::build(),
        "consensus" => consensus::build(),
        "draw" => draw::build(),
        "evidence" => evidence::build(),
        "formats" => formats::build(),
        "genesis" => genesis::build(),
        "message" => message::build(),
        "mix" => mix::build(),
        "points" => points::build(),
        "registry" => registry::build(),
        "transcript" => transcript::build(),
        other => panic!("no vectors named {other:?}"),
    };
    println!("{}", build.text());
}
