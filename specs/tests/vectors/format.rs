//! Every type that travels, from bytes to its JSON: that the fields stand where the chapters say.

use beacon_spec::bundle::KeyBundle;
use beacon_spec::certificate::Certificate;
use beacon_spec::chain::{Beacon, Header, TRANSCRIPT_LIMITS, Transcript};
use beacon_spec::codec::{Limits, decode, encode};
use beacon_spec::committee::{Member, MemberList, SignerList};
use beacon_spec::consensus::{CommitCertificate, ConsensusMessage, Proposal, Vote};
use beacon_spec::evidence::Evidence;
use beacon_spec::genesis::{Draft, Genesis, LightGenesis};
use beacon_spec::message::{
    Amendment, Change, Commitment, HeaderVote, Opening, Ready, Registration, Shares, Value as Agreed,
};
use beacon_spec::mmr::{Mmr, MmrProof};
use beacon_spec::pvss::{Dealing, Share};
use beacon_spec::reject::Reject;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// The JSON of a value of type `name`, if it is asked for, and that the value encodes to the same bytes.
pub fn format(name: &str, bytes: &[u8], json: bool) -> Result<Value, Reject> {
    match name {
        "KeyBundle" => of::<KeyBundle>(bytes, json),
        "Member" => of::<Member>(bytes, json),
        "MemberList" => of::<MemberList>(bytes, json),
        "SignerList" => of::<SignerList>(bytes, json),
        "Draft" => of::<Draft>(bytes, json),
        "Genesis" => of::<Genesis>(bytes, json),
        "LightGenesis" => of::<LightGenesis>(bytes, json),
        "Dealing" => of::<Dealing>(bytes, json),
        "Share" => of::<Share>(bytes, json),
        "Commitment" => of::<Commitment>(bytes, json),
        "Opening" => of::<Opening>(bytes, json),
        "Ready" => of::<Ready>(bytes, json),
        "Shares" => of::<Shares>(bytes, json),
        "HeaderVote" => of::<HeaderVote>(bytes, json),
        "Evidence" => of::<Evidence>(bytes, json),
        "Registration" => of::<Registration>(bytes, json),
        "Change" => of::<Change>(bytes, json),
        "Amendment" => of::<Amendment>(bytes, json),
        "Value" => of::<Agreed>(bytes, json),
        "Vote" => of::<Vote>(bytes, json),
        "Proposal" => of::<Proposal>(bytes, json),
        "ConsensusMessage" => of::<ConsensusMessage>(bytes, json),
        "CommitCertificate" => of::<CommitCertificate>(bytes, json),
        "Certificate" => of::<Certificate>(bytes, json),
        "Header" => of::<Header>(bytes, json),
        "Beacon" => of::<Beacon>(bytes, json),
        "Transcript" => of::<Transcript>(bytes, json),
        "Mmr" => of::<Mmr>(bytes, json),
        "MmrProof" => of::<MmrProof>(bytes, json),
        other => panic!("no kind {other}"),
    }
}

fn of<T: Serialize + DeserializeOwned>(bytes: &[u8], json: bool) -> Result<Value, Reject> {
    let limits: Limits = TRANSCRIPT_LIMITS;
    let value: T = decode(bytes, &limits)?;
    assert_eq!(encode(&value), bytes, "one encoding a value");
    Ok(if json { json!({ "json": value }) } else { Value::Null })
}
