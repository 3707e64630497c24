//! Tests of the dealing (`specs/pvss.md`). Names carry the rule they hold; `reference` is a second, naive prover
//! written from the paper, which also makes the dealings that an honest one never would.

mod batch;
mod correct;
mod forged;
mod identity;
mod keys;
mod malformed;
mod mutations;
mod reference;
mod shares;
mod vectors;
